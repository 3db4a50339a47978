//! Each key of each configuration changes what is computed, or its value is refused.

use super::support::PAIRS;
use attn_core::alignment::{AlignmentConfig, Draw, Past, Reinforce, weigh};
use attn_core::mechanism::MechanismConfig;
use attn_core::pooling::{AttentionPoolingConfig, ContextPoolingConfig, SelfAttentiveConfig};
use attn_core::regularize::{EntropyGoal, EntropyRegularizer};
use attn_core::score::{Score, ScoreConfig};
use attn_core::talking_heads::TalkingHeadsConfig;
use attn_core::{DropoutConfig, Mask, Mechanism};
use attn_testing::{ConfigKeys, module_answer, or_refused, tracked, values, weights_by_name};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The width of queries and keys.
const WIDTH: usize = 8;

/// A table around the configuration that a file would write so.
fn table<C: Serialize + DeserializeOwned>(base: &Value) -> ConfigKeys<C> {
    let base = serde_json::from_value(base.clone()).unwrap_or_else(|e| panic!("{base}: {e}"));
    ConfigKeys::of(&base)
}

/// [`module_answer`] with the same draws each time.
fn answer<M: Module>(
    init: impl Fn(&Device) -> M,
    compute: impl Fn(&M, &Device) -> Tensor<4>,
) -> Result<Vec<f64>, String> {
    module_answer(init, |module, device| {
        attn_core::random::seed(3);
        compute(module, device)
    })
}

fn input(dims: [usize; 4], seed: u64, device: &Device) -> Tensor<4> {
    tracked(seed, dims, device)
}

fn scores() -> [Value; 11] {
    [
        json!({ "name": "scaled_dot" }),
        json!({ "name": "dot" }),
        json!({ "name": "general", "d_query": 8, "d_key": 8 }),
        json!({ "name": "additive", "d_query": 8, "d_key": 8, "d_hidden": 3 }),
        json!({ "name": "concat", "d_query": 8, "d_key": 8, "d_hidden": 3 }),
        json!({ "name": "cosine" }),
        json!({ "name": "location", "d_query": 8, "max_keys": 9 }),
        json!({
            "name": "location_aware", "d_query": 8, "d_key": 8, "d_hidden": 3, "filters": 2, "kernel": 3
        }),
        json!({ "name": "l2" }),
        json!({ "name": "gaussian" }),
        json!({ "name": "coverage", "d_query": 8, "d_key": 8, "d_hidden": 3 }),
    ]
}

fn score(config: &ScoreConfig) -> Result<Vec<f64>, String> {
    config.validate().map_err(|error| error.to_string())?;
    let [b, h, q, k] = PAIRS;
    answer(
        |device| config.init(device),
        |score, device| {
            let key = score.project_keys(input([b, h / 2, k, WIDTH], 12, device));
            let looked = |seed| Some(tracked([13, 14][seed], [b, h, k], device).detach().abs());
            let past = Past { steps: 2, weights: looked(0), coverage: looked(1), ..Past::start() };
            // One query after the other, as those must be scored that look back.
            let query = input([b, h, q, WIDTH], 11, device);
            let step = |at| query.clone().slice_dim(2, at..at + 1);
            let scores = (0..q).map(|at| score.score_after(step(at), key.clone(), &past));
            Tensor::cat(scores.collect(), 2)
        },
    )
}

#[test]
fn each_key_of_each_score_does_something() {
    let [first, others @ ..] = scores();
    table::<ScoreConfig>(&first)
        .changes("", others)
        .changes("scale", [json!(0.5), json!(2.0)])
        .check(score);
    for base in scores() {
        let keys = table::<ScoreConfig>(&base);
        let sizes = |keys: ConfigKeys<ScoreConfig>| {
            keys.refused("d_query", [json!(7), json!(0)]).refused("d_key", [json!(7), json!(0)])
        };
        let hidden = |keys| sizes(keys).changes("d_hidden", [json!(4)]);
        let keys = match base["name"].as_str().expect("a name") {
            "dot" | "l2" => keys,
            "scaled_dot" => keys.changes("scale", [json!(0.5)]),
            "general" => sizes(keys),
            "additive" | "concat" | "coverage" => hidden(keys),
            "cosine" => keys.changes("temperature", [json!(0.25)]),
            "location" => {
                keys.refused("d_query", [json!(7), json!(0)]).changes("max_keys", [json!(11)])
            }
            "location_aware" => hidden(keys)
                .changes("filters", [json!(3)])
                .changes("kernel", [json!(5)])
                .changes("convolved", [json!("cumulative")]),
            "gaussian" => {
                keys.changes("bandwidth", [json!(0.25)]).changes("learned", [json!(true)])
            }
            name => panic!("no table of the score {name}"),
        };
        keys.check(score);
    }
}

fn alignments() -> [Value; 12] {
    [
        json!({ "name": "softmax" }),
        json!({ "name": "local_m", "d": 1 }),
        json!({ "name": "local_p", "d": 2, "d_query": 8, "d_hidden": 3 }),
        json!({ "name": "monotonic" }),
        json!({ "name": "chunkwise", "chunk": 2 }),
        json!({ "name": "adaptive_span", "heads": 4, "max_span": 9, "ramp": 3, "initial": 0.25 }),
        json!({ "name": "sparsemax" }),
        json!({ "name": "entmax" }),
        json!({ "name": "sigmoid" }),
        json!({ "name": "top_k", "k": 2 }),
        json!({ "name": "hard" }),
        json!({ "name": "gumbel_softmax" }),
    ]
}

fn alignment(config: &AlignmentConfig) -> Result<Vec<f64>, String> {
    config.validate().map_err(|error| error.to_string())?;
    let [b, h, q, _] = PAIRS;
    answer(
        |device| config.init(device),
        |alignment, device| {
            let query = input([b, h, q, WIDTH], 11, device);
            let mask = Mask::padding([5, 7]);
            weigh(alignment, input(PAIRS, 12, device), Some(&query), &mask, &Past::start()).weights
        },
    )
    .map(|mut all| {
        // What the scores learn is the alignment's affair too.
        let device = Device::flex().autodiff();
        let scores = input(PAIRS, 12, &device);
        let alignment = weights_by_name(config.init(&device));
        attn_core::random::seed(3);
        let query = Some(input([b, h, q, WIDTH], 11, &device));
        let found =
            weigh(&alignment, scores.clone(), query.as_ref(), &Mask::open(), &Past::start());
        let upstream = tracked(13, PAIRS, &device);
        let gradients = (found.weights * upstream).sum().backward();
        all.extend(scores.grad(&gradients).map(|gradient| values(&gradient)).unwrap_or_default());
        all
    })
}

#[test]
fn each_key_of_each_alignment_does_something() {
    let [first, others @ ..] = alignments();
    let sinks = [json!("zero"), json!({ "learned": 4 })];
    table::<AlignmentConfig>(&first)
        .changes("", others)
        .changes("sink", sinks.clone())
        .check(alignment);
    for base in alignments() {
        let keys = table::<AlignmentConfig>(&base);
        let noise = |keys: ConfigKeys<AlignmentConfig>| {
            keys.changes("noise", [json!(0.0), json!(0.5)]).changes("offset", [json!(0.5)])
        };
        let keys = match base["name"].as_str().expect("a name") {
            "sparsemax" | "hard" => keys,
            "softmax" => {
                keys.changes("sink", sinks.clone()).refused("sink", [json!({ "learned": 3 })])
            }
            "local_m" => keys.changes("d", [json!(2)]).refused("d", [json!(0)]),
            "local_p" => keys
                .changes("d", [json!(1)])
                .refused("d_query", [json!(7), json!(0)])
                .changes("d_hidden", [json!(4)]),
            "monotonic" => noise(keys),
            "chunkwise" => noise(keys).changes("chunk", [json!(1), json!(3)]),
            "adaptive_span" => keys
                .refused("heads", [json!(3)])
                .changes("max_span", [json!(12)])
                .changes("ramp", [json!(2)])
                .changes("initial", [json!(0.5)]),
            "entmax" => keys
                .changes("alpha", [json!({ "fixed": 1.25 }), json!({ "learned": 4 })])
                .refused("alpha", [json!({ "learned": 3 })])
                .changes("alpha.fixed", [json!(1.75)]),
            "sigmoid" => keys.changes("bias", [json!("visible"), json!({ "fixed": -1.0 })]),
            "top_k" => keys.changes("k", [json!(1), json!(3)]),
            "gumbel_softmax" => keys.changes("temperature", [json!(0.5)]),
            name => panic!("no table of the alignment {name}"),
        };
        keys.check(alignment);
    }
}

fn mechanisms() -> [Value; 7] {
    [
        json!({ "name": "attention" }),
        json!({ "name": "linear_attention" }),
        json!({ "name": "performer", "d_head": 8, "features": 16 }),
        json!({ "name": "retention" }),
        json!({ "name": "gated_delta", "d_head": 8, "kv_heads": 2 }),
        json!({ "name": "linformer", "max_keys": 7, "projected": 3 }),
        json!({ "name": "lsh", "d_head": 8, "buckets": 4, "chunk": 2 }),
    ]
}

/// Under a causal mask too, where a decoder can have the mechanism.
fn mechanism(config: &MechanismConfig) -> Result<Vec<f64>, String> {
    config.validate().map_err(|error| error.to_string())?;
    let ([b, h, ..], n) = (PAIRS, 7);
    let masks = [Mask::padding([5, 7]), Mask::causal() & Mask::padding([7, 6])];
    let masks = if config.decodes() { &masks[..] } else { &masks[..1] };
    answer(
        |device| config.init(device),
        |mechanism, device| {
            let query = input([b, h, n, WIDTH], 11, device);
            let [key, value] = [12, 13].map(|seed| input([b, h / 2, n, WIDTH], seed, device));
            let contexts = masks
                .iter()
                .map(|mask| mechanism.forward(query.clone(), key.clone(), value.clone(), mask));
            Tensor::cat(contexts.collect(), 0)
        },
    )
}

#[test]
fn each_key_of_each_mechanism_does_something() {
    let [first, others @ ..] = mechanisms();
    let [_, other_scores @ ..] = scores();
    let [_, other_alignments @ ..] = alignments();
    let sinks = [json!("zero"), json!({ "learned": 4 })];
    let attention = |keys: ConfigKeys<MechanismConfig>| {
        keys.changes("score", other_scores.clone())
            .changes("score.scale", [json!(0.5)])
            .changes("softcap", [json!(0.5), json!(2.0)])
            .refused("softcap", [json!(0.0)])
            .changes("alignment", other_alignments.clone())
            .changes("alignment.sink", sinks.clone())
            .changes("dropout", [json!(0.25), json!(0.5)])
            .refused("dropout", [json!(1.0)])
            .changes("talking_heads", [json!(4)])
            .refused("talking_heads", [json!(3)])
    };
    attention(table::<MechanismConfig>(&first)).changes("", others).check(mechanism);
    // Sums in another order: of 7 keys and 16 features, of numbers of order one.
    let tolerance = 64.0 * f64::from(f32::EPSILON) * 16.0;
    let reason = "how many queries are computed at once";
    for base in mechanisms() {
        let keys = table::<MechanismConfig>(&base);
        let chunk = |keys: ConfigKeys<MechanismConfig>| {
            keys.same("chunk", [json!(1), json!(3)], tolerance, reason).refused("chunk", [json!(0)])
        };
        let keys = match base["name"].as_str().expect("a name") {
            "attention" => attention(keys),
            "linear_attention" | "retention" => chunk(keys),
            "performer" => chunk(keys)
                .refused("d_head", [json!(7)])
                .changes("features", [json!(24)])
                .changes("seed", [json!(1)])
                .changes("orthogonal", [json!(false)]),
            "gated_delta" => {
                chunk(keys).refused("d_head", [json!(7)]).refused("kv_heads", [json!(4)])
            }
            "linformer" => keys
                .changes("max_keys", [json!(9)])
                .refused("max_keys", [json!(6)])
                .changes("projected", [json!(4)])
                .changes("sharing", [json!("key_value")]),
            "lsh" => keys
                .refused("d_head", [json!(7)])
                .changes("buckets", [json!(6)])
                .changes("rounds", [json!(1)])
                .changes("chunk", [json!(3)])
                .changes("seed", [json!(1)]),
            name => panic!("no table of the mechanism {name}"),
        };
        keys.check(mechanism);
    }
}

#[test]
fn each_key_of_poolings_does_something() {
    let steps = |device: &Device| tracked(11, [2, 5, WIDTH], device);
    let mask = Mask::padding([3, 5]);
    table::<AttentionPoolingConfig>(&json!({ "d_input": 8 }))
        .refused("d_input", [json!(7), json!(0)])
        .check(|config| {
            answer(
                |device| config.init(device),
                |pooling, device| pooling.forward(steps(device), &mask).vector.unsqueeze(),
            )
        });
    table::<ContextPoolingConfig>(&json!({ "d_input": 8, "d_hidden": 3 }))
        .refused("d_input", [json!(7), json!(0)])
        .changes("d_hidden", [json!(4)])
        .check(|config| {
            answer(
                |device| config.init(device),
                |pooling, device| pooling.forward(steps(device), &mask).vector.unsqueeze(),
            )
        });
    table::<SelfAttentiveConfig>(&json!({ "d_input": 8, "d_hidden": 3, "hops": 2 }))
        .refused("d_input", [json!(7), json!(0)])
        .changes("d_hidden", [json!(4)])
        .changes("hops", [json!(1)])
        .check(|config| {
            answer(
                |device| config.init(device),
                |pooling, device| pooling.forward(steps(device), &mask).vectors.unsqueeze(),
            )
        });
}

#[test]
fn each_key_of_dropout_and_talking_heads_does_something() {
    table::<DropoutConfig>(&json!({ "prob": 0.25 }))
        .changes("prob", [json!(0.0), json!(0.5)])
        .refused("prob", [json!(1.0), json!(-0.5)])
        .check(|config| {
            answer(|_| config.init(), |dropout, device| dropout.forward(input(PAIRS, 11, device)))
        });
    table::<TalkingHeadsConfig>(&json!({ "heads": 4 }))
        .refused("heads", [json!(3), json!(0)])
        .check(|config| {
            answer(
                |device| config.init(device),
                |talking, device| talking.mix_scores(input(PAIRS, 11, device)),
            )
        });
}

#[test]
fn each_key_of_losses_beside_the_task_does_something() {
    let device = Device::flex();
    let weights = || input(PAIRS, 11, &device).abs();
    let [b, h, q, _] = PAIRS;
    ConfigKeys::of(&EntropyRegularizer { goal: EntropyGoal::Spread, strength: 0.5 })
        .changes("goal", [json!("focus")])
        .changes("strength", [json!(0.25)])
        .refused("strength", [json!(-1.0)])
        .check(|regularizer| or_refused(|| values(&regularizer.loss(weights()))));

    ConfigKeys::of(&Reinforce { reward: 0.5, entropy: 0.25, baseline: 0.125 })
        .changes("reward", [json!(0.25)])
        .changes("entropy", [json!(0.5)])
        .changes("baseline", [json!(0.5)])
        .check(|rule| {
            or_refused(|| {
                let of = |seed| tracked(seed, [b, h, q], &device);
                let draw = Draw { log_prob: of(13), entropy: of(14) };
                let reward = Tensor::from_floats([0.75, -0.5], &device);
                values(&rule.clone().loss(&[draw], reward))
            })
        });
}
