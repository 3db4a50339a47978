//! Each key of each configuration changes what a model computes, or its value is refused.

use attn_core::Mask;
use attn_testing::{ConfigKeys, ids, module_answer, random_ids, rng, tracked};
use attn_transformer::{
    DecoderCache, DecoderOnly, DecoderOnlyConfig, EncoderDecoder, EncoderDecoderConfig,
    EncoderOnly, EncoderOnlyConfig, FeedForwardConfig, Layout, MultiHeadAttentionConfig,
    NormConfig,
};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const VOCAB: usize = 11;
const STEPS: usize = 7;

/// A table around the configuration that a file would write so.
fn table<C: Serialize + DeserializeOwned>(base: Value) -> ConfigKeys<C> {
    ConfigKeys::of(&serde_json::from_value(base.clone()).unwrap_or_else(|e| panic!("{base}: {e}")))
}

/// [`module_answer`] with the same draws each time.
fn answer<M: Module>(
    init: impl Fn(&Device) -> M,
    compute: impl Fn(&M, &Device) -> Tensor<3>,
) -> Result<Vec<f64>, String> {
    module_answer(init, |module, device| {
        attn_core::random::seed(3);
        compute(module, device)
    })
}

/// Two sequences.
fn tokens(seed: u64, device: &Device) -> Tensor<2, Int> {
    ids(&random_ids(&mut rng(seed), [2, STEPS], VOCAB as u32), device)
}

/// The tokens in three parts.
fn chunks(tokens: &Tensor<2, Int>) -> [Tensor<2, Int>; 3] {
    [0..3, 3..4, 4..STEPS].map(|steps| tokens.clone().slice_dim(1, steps))
}

/// The entries of a block's keys.
fn block<C: Serialize + DeserializeOwned>(keys: ConfigKeys<C>) -> ConfigKeys<C> {
    let activations =
        ["gelu", "gelu_tanh", "silu", "glu", "re_glu", "ge_glu", "ge_glu_tanh", "swi_glu"];
    keys.changes("block.d_model", [json!(8)])
        .refused("block.d_model", [json!(0), json!(13)])
        .changes("block.heads", [json!(2), json!(8)])
        .refused("block.heads", [json!(0), json!(5)])
        .changes("block.kv_heads", [json!(1), json!(2)])
        .refused("block.kv_heads", [json!(0), json!(3)])
        .changes("block.d_head", [json!(6)])
        .refused("block.d_head", [json!(0)])
        .changes("block.d_ff", [json!(10)])
        .refused("block.d_ff", [json!(0)])
        .changes("block.activation", activations.map(Value::from))
        .changes("block.bias", [json!(false)])
        .changes("block.norm", [json!("rms")])
        .changes("block.norm_epsilon", [json!(1e-2)])
        .changes("block.norm_order", [json!("post")])
        .changes("block.query_key_norm", [json!(true)])
        .changes("block.softcap", [json!(0.5), json!(2.0)])
        .elsewhere("block.mechanism", "`tests/family/config_keys.rs` of attn-core")
        .elsewhere("block.cross_mechanism", "`tests/family/config_keys.rs` of attn-core")
        .same("block.mechanism", [json!(null)], 0.0, "how earlier versions wrote the default")
        .changes("block.dropout", [json!(0.25), json!(0.5)])
        .changes("block.attention_dropout", [json!(0.25), json!(0.5)])
        .changes("block.feed_forward_dropout", [json!(0.25), json!(0.5)])
        .refused("block.dropout", [json!(1.0)])
        .refused("block.attention_dropout", [json!(1.0)])
        .refused("block.feed_forward_dropout", [json!(1.0)])
}

/// Mechanisms that a decoder may have, heads of width 4, with the same weights as without them.
fn causal_mechanisms() -> [Value; 5] {
    [
        json!({ "name": "attention", "alignment": { "name": "sparsemax" } }),
        json!({ "name": "linear_attention" }),
        json!({ "name": "performer", "d_head": 4, "features": 8 }),
        json!({ "name": "retention" }),
        json!({ "name": "gated_delta", "d_head": 4, "kv_heads": 4 }),
    ]
}

/// Those that need all keys at once.
fn whole_mechanisms() -> [Value; 2] {
    [
        json!({ "name": "linformer", "max_keys": 7, "projected": 3 }),
        json!({ "name": "lsh", "d_head": 4, "buckets": 4, "chunk": 2 }),
    ]
}

/// Mechanisms that a decoder may have towards a source.
fn cross_mechanisms() -> [Value; 5] {
    let [sparsemax, linear, performer, _, delta] = causal_mechanisms();
    let [linformer, _] = whole_mechanisms();
    [sparsemax, linear, performer, delta, linformer]
}

/// Those that need queries with positions among the keys.
fn in_one_sequence_mechanisms() -> [Value; 2] {
    let [_, _, _, retention, _] = causal_mechanisms();
    let [_, lsh] = whole_mechanisms();
    [retention, lsh]
}

/// Of width 16, 4 heads; dropout is 0, so that what draws another number of masks is not seen by that.
fn small_block() -> Value {
    json!({ "d_model": 16, "heads": 4, "dropout": 0.0 })
}

fn positions() -> [Value; 3] {
    [json!("none"), json!({ "learned": { "max_len": 9 } }), json!({ "rotary": {} })]
}

type Compute<M> = fn(&M, &Device) -> Tensor<3>;

/// The ways to run a decoder: whole, with the weights given out, and with a cache.
const DECODER_ONLY: [Compute<DecoderOnly>; 3] = [
    |model, device| model.forward(tokens(5, device), &Layout::causal(), None),
    |model, device| model.forward_with_weights(tokens(5, device), &Layout::causal(), None).0,
    |model, device| {
        let mut cache = DecoderCache::new();
        let layout = Layout::causal();
        Tensor::cat(
            chunks(&tokens(5, device))
                .map(|part| model.forward(part, &layout, Some(&mut cache)))
                .into(),
            1,
        )
    },
];

fn decoder_only(
    compute: Compute<DecoderOnly>,
) -> impl Fn(&DecoderOnlyConfig) -> Result<Vec<f64>, String> {
    move |config| {
        config.validate().map_err(|error| error.to_string())?;
        answer(|device| config.init(device), compute)
    }
}

fn decoder_only_base() -> Value {
    json!({ "vocab": VOCAB, "layers": 2, "block": small_block(), "positions": "sinusoidal" })
}

#[test]
fn each_key_of_a_decoder_does_something_however_it_is_run() {
    for compute in DECODER_ONLY {
        block(table::<DecoderOnlyConfig>(decoder_only_base()))
            .refused("version", [json!(0), json!(2)])
            .changes("vocab", [json!(13)])
            .refused("vocab", [json!(0)])
            .changes("layers", [json!(1), json!(3)])
            .refused("layers", [json!(0)])
            .changes("block.mechanism", causal_mechanisms())
            .refused("block.mechanism", whole_mechanisms())
            .refused("block.cross_mechanism", causal_mechanisms())
            .refused("block.cross_mechanism", whole_mechanisms())
            .changes("positions", positions())
            .changes("tied", [json!(false)])
            .changes("scaled_embeddings", [json!(true)])
            .check(decoder_only(compute));
    }
}

#[test]
fn each_key_of_an_encoder_does_something_however_it_is_run() {
    let computes: [Compute<EncoderOnly>; 2] = [
        |model, device| model.forward(tokens(5, device), &Mask::padding([5, 7]).into()),
        |model, device| {
            model.forward_with_weights(tokens(5, device), &Mask::padding([5, 7]).into()).0
        },
    ];
    let base = json!({ "vocab": VOCAB, "layers": 2, "block": small_block() });
    for compute in computes {
        let [a, b, c, d, e] = causal_mechanisms();
        let [f, g] = whole_mechanisms();
        block(table::<EncoderOnlyConfig>(base.clone()))
            .refused("version", [json!(0), json!(2)])
            .changes("vocab", [json!(13)])
            .refused("vocab", [json!(0)])
            .changes("layers", [json!(1), json!(3)])
            .refused("layers", [json!(0)])
            .changes("block.mechanism", [a, b, c, d, e, f, g])
            .refused("block.cross_mechanism", causal_mechanisms())
            .refused("block.cross_mechanism", whole_mechanisms())
            .changes("positions", positions())
            .changes("scaled_embeddings", [json!(false)])
            .check(|config| {
                config.validate().map_err(|error| error.to_string())?;
                answer(|device| config.init(device), compute)
            });
    }
}

#[test]
fn each_key_of_an_encoder_decoder_does_something_however_it_is_run() {
    let computes: [Compute<EncoderDecoder>; 3] = [
        |model, device| model.forward(tokens(5, device), &Mask::padding([5, 7]), tokens(6, device)),
        |model, device| {
            let memory = model.memory(tokens(5, device), &Mask::padding([5, 7]));
            model.decode_with_weights(tokens(6, device), &memory, None).0
        },
        |model, device| {
            let memory = model.memory(tokens(5, device), &Mask::padding([5, 7]));
            let mut cache = DecoderCache::new();
            Tensor::cat(
                chunks(&tokens(6, device))
                    .map(|part| model.decode(part, &memory, Some(&mut cache)))
                    .into(),
                1,
            )
        },
    ];
    let base = json!({
        "source_vocab": VOCAB, "target_vocab": VOCAB, "encoder_layers": 2, "decoder_layers": 2,
        "block": small_block()
    });
    for compute in computes {
        block(table::<EncoderDecoderConfig>(base.clone()))
            .refused("version", [json!(0), json!(2)])
            .changes("source_vocab", [json!(13)])
            .changes("target_vocab", [json!(13)])
            .refused("source_vocab", [json!(0)])
            .refused("target_vocab", [json!(0)])
            .changes("encoder_layers", [json!(1), json!(3)])
            .changes("decoder_layers", [json!(1), json!(3)])
            .refused("encoder_layers", [json!(0)])
            .refused("decoder_layers", [json!(0)])
            .changes("block.mechanism", causal_mechanisms())
            .refused("block.mechanism", whole_mechanisms())
            .changes("block.cross_mechanism", cross_mechanisms())
            .refused("block.cross_mechanism", in_one_sequence_mechanisms())
            .changes("positions", positions())
            .changes("tying", [json!("none"), json!("all")])
            .changes("scaled_embeddings", [json!(false)])
            .check(|config| {
                config.validate().map_err(|error| error.to_string())?;
                answer(|device| config.init(device), compute)
            });
    }
}

/// Beside a decoder; the layer is the same in every model.
#[test]
fn each_key_of_positions_does_something() {
    let with = |positions: Value| {
        let mut base = decoder_only_base();
        // Heads of width 8, so that there is more than one frequency.
        base["block"]["heads"] = json!(2);
        base["positions"] = positions;
        base
    };
    let check = |table: ConfigKeys<DecoderOnlyConfig>| table.check(decoder_only(DECODER_ONLY[0]));

    check(
        table(with(json!({ "learned": { "max_len": 9 } })))
            .only("positions.learned")
            .changes("positions.learned.max_len", [json!(7)])
            .refused("positions.learned.max_len", [json!(0), json!(6)]),
    );
    let linear = json!({ "linear": { "factor": 2.0 } });
    let ntk = json!({ "ntk": { "factor": 2.0 } });
    let llama3 = json!({ "llama3": {
        "factor": 2.0, "low_frequency_factor": 1.0, "high_frequency_factor": 4.0, "original_len": 16
    } });
    let yarn = json!({ "yarn": {
        "factor": 2.0, "original_len": 256, "beta_fast": 32.0, "beta_slow": 1.0
    } });
    check(
        table(with(json!({ "rotary": {} })))
            .only("positions.rotary")
            .changes("positions.rotary.base", [json!(100.0)])
            .refused("positions.rotary.base", [json!(0.0)])
            .changes("positions.rotary.pairing", [json!("interleaved")])
            .changes("positions.rotary.scaling", [linear, ntk, llama3.clone(), yarn.clone()]),
    );
    for kind in ["linear", "ntk"] {
        let root = format!("positions.rotary.scaling.{kind}");
        let factor = format!("{root}.factor");
        check(
            table(with(json!({ "rotary": { "scaling": { kind: { "factor": 2.0 } } } })))
                .only(&root)
                .changes(&factor, [json!(4.0)])
                .refused(&factor, [json!(0.0)]),
        );
    }
    let key = |name: &str| format!("positions.rotary.scaling.llama3.{name}");
    check(
        table(with(json!({ "rotary": { "scaling": llama3 } })))
            .only("positions.rotary.scaling.llama3")
            .changes(&key("factor"), [json!(4.0)])
            .changes(&key("low_frequency_factor"), [json!(0.25)])
            .changes(&key("high_frequency_factor"), [json!(8.0)])
            .refused(&key("high_frequency_factor"), [json!(0.5)])
            .changes(&key("original_len"), [json!(24)])
            .refused(&key("original_len"), [json!(0)]),
    );
    let key = |name: &str| format!("positions.rotary.scaling.yarn.{name}");
    check(
        table(with(json!({ "rotary": { "scaling": yarn } })))
            .only("positions.rotary.scaling.yarn")
            .changes(&key("factor"), [json!(4.0)])
            .changes(&key("original_len"), [json!(8192)])
            .refused(&key("original_len"), [json!(0)])
            .changes(&key("beta_fast"), [json!(1.5)])
            .changes(&key("beta_slow"), [json!(16.0)])
            .refused(&key("beta_slow"), [json!(33.0)]),
    );
}

#[test]
fn each_key_of_a_layer_does_something() {
    let features = |device: &Device| tracked(5, [2, STEPS, 12], device);

    table::<MultiHeadAttentionConfig>(json!({ "d_model": 12, "heads": 4 }))
        .refused("d_model", [json!(8), json!(0)])
        .changes("heads", [json!(2), json!(6)])
        .changes("kv_heads", [json!(1), json!(2)])
        .changes("d_head", [json!(4)])
        .refused("d_memory", [json!(8), json!(0)])
        .changes("bias", [json!(false)])
        .changes("query_key_norm", [json!(true)])
        .changes("softcap", [json!(0.5), json!(2.0)])
        .changes("dropout", [json!(0.25), json!(0.5)])
        .elsewhere("mechanism", "the tests of whole models")
        .check(|config| {
            config.validate().map_err(|error| error.to_string())?;
            answer(
                |device| config.init(device),
                |attention, device| attention.forward(features(device), &Mask::causal(), None),
            )
        });
    table::<FeedForwardConfig>(json!({ "d_model": 12, "d_ff": 10 }))
        .refused("d_model", [json!(8), json!(0)])
        .changes("d_ff", [json!(9)])
        .elsewhere("activation", "the tests of whole models")
        .changes("bias", [json!(false)])
        .changes("dropout", [json!(0.25), json!(0.5)])
        .check(|config| {
            config.validate().map_err(|error| error.to_string())?;
            answer(|device| config.init(device), |layer, device| layer.forward(features(device)))
        });
    table::<NormConfig>(json!({ "d_model": 12 }))
        .refused("d_model", [json!(8), json!(0)])
        .changes("kind", [json!("rms")])
        .changes("epsilon", [json!(1e-2)])
        .refused("epsilon", [json!(0.0)])
        .check(|config| {
            config.validate().map_err(|error| error.to_string())?;
            answer(|device| config.init(device), |norm, device| norm.forward(features(device)))
        });
}
