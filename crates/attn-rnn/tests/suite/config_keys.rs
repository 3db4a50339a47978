//! Each key of each configuration changes what a model computes, or its value is refused.

use crate::support::{ConfigKeys, ids, module_answer, numbers, rng};
use attn_rnn::pointer::{PointerGeneratorConfig, SourceWords};
use attn_rnn::{ClassifierConfig, CopyConfig, Seq2Seq, Seq2SeqConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Of source and target.
const VOCAB: usize = 11;

/// A table around the configuration that a file would write so.
fn table<C: Serialize + DeserializeOwned>(base: Value) -> ConfigKeys<C> {
    ConfigKeys::of(&serde_json::from_value(base.clone()).unwrap_or_else(|e| panic!("{base}: {e}")))
}

/// [`module_answer`] with the same draws each time.
fn answer<M: Module, const D: usize>(
    init: impl Fn(&Device) -> M,
    compute: impl Fn(&M, &Device) -> Tensor<D>,
) -> Result<Vec<f64>, String> {
    module_answer(init, |module, device| {
        attn_core::random::seed(3);
        compute(module, device)
    })
}

/// Layers of which each option can be seen: two, so that there is something between them.
fn layers(d_input: usize) -> Value {
    json!({ "cell": "lstm", "d_input": d_input, "d_hidden": 4, "layers": 2 })
}

/// The score reads no annotation, so that these may have any width.
fn attention() -> Value {
    json!({ "score": { "name": "location", "d_query": 4, "max_keys": 7 } })
}

fn seq2seq(flow: Value) -> Value {
    json!({
        "version": 1,
        "encoder": { "vocab": VOCAB, "recurrent": layers(3) },
        "bridge": "dense",
        "decoder": { "vocab": VOCAB, "recurrent": layers(5), "flow": flow },
    })
}

fn bahdanau() -> Value {
    json!({ "name": "bahdanau", "attention": attention(), "d_output": 5 })
}

/// Logits of two sentences. Of a model that copies unknown words, the words of the first source are
/// beyond the vocabulary, and its target has one of them.
fn translate(model: &Seq2Seq, device: &Device) -> Tensor<3> {
    let source = vec![vec![5, 7, 2, 9, 4], vec![8, 3, 6, 0, 0]];
    let lengths = [5, 3];
    let mut target = vec![vec![1, 4, 6], vec![1, 9, 0]];
    let unknown = model.decoder.copy.as_ref().and_then(|copy| copy.unknown());
    let memory = match unknown {
        None => model.memory(ids(&source, device), &lengths),
        Some(_) => {
            target[0][1] = VOCAB as u32;
            let mut words = source.clone();
            words[0][2] = VOCAB as u32;
            let words = SourceWords::new(ids(&words, device), VOCAB + 1).unwrap();
            model.memory_to_copy(ids(&source, device), &lengths, words)
        }
    };
    let mut state = model.decoder.begin(&memory);
    model.decoder.decode(ids(&target, device), &memory, &mut state).logits
}

fn translated(config: &Seq2SeqConfig) -> Result<Vec<f64>, String> {
    config.validate().map_err(|error| error.to_string())?;
    answer(|device| config.init(device), translate)
}

/// The entries of recurrent layers below `root`.
fn recurrent<C: Serialize + DeserializeOwned>(keys: ConfigKeys<C>, root: &str) -> ConfigKeys<C> {
    let key = |name: &str| format!("{root}.{name}");
    let sizes = ["d_input", "d_hidden", "layers"];
    let keys = sizes.iter().fold(keys, |keys, name| keys.refused(&key(name), [json!(0)]));
    let keys = keys
        .changes(&key("d_input"), [json!(6)])
        .changes(&key("layers"), [json!(1), json!(3)])
        .changes(&key("layer_norm"), [json!(true)]);
    ["dropout", "recurrent_dropout"].iter().fold(keys, |keys, name| {
        keys.changes(&key(name), [json!(0.25), json!(0.5)]).refused(&key(name), [json!(1.0)])
    })
}

#[test]
fn each_key_of_an_encoder_decoder_does_something() {
    let plain = json!({ "decoder.flow": { "name": "plain" } });
    let keys = table::<Seq2SeqConfig>(seq2seq(bahdanau()));
    let keys = recurrent(recurrent(keys, "encoder.recurrent"), "decoder.recurrent");
    keys.refused("version", [json!(0), json!(2)])
        .changes("encoder.vocab", [json!(13)])
        .refused("encoder.vocab", [json!(0)])
        .changes("encoder.recurrent.cell", [json!("gru"), json!("lstmn")])
        .changes("encoder.recurrent.d_hidden", [json!(6)])
        .changes("encoder.recurrent.bidirectional", [json!(true)])
        .changes("encoder.dropout", [json!(0.25), json!(0.5)])
        .refused("encoder.dropout", [json!(1.0)])
        .changes("bridge", [json!("zero"), json!("last")])
        .changes("decoder.vocab", [json!(13)])
        .refused("decoder.vocab", [json!(0)])
        .changes("decoder.recurrent.cell", [json!("gru")])
        .refused("decoder.recurrent.cell", [json!("lstmn")])
        .changes_given(plain, "decoder.recurrent.d_hidden", [json!(6)])
        .refused("decoder.recurrent.d_hidden", [json!(6)])
        .refused("decoder.recurrent.bidirectional", [json!(true)])
        .changes(
            "decoder.flow",
            [
                json!({ "name": "luong", "attention": attention() }),
                json!({ "name": "luong", "attention": attention(), "input_feeding": true }),
                json!({ "name": "plain" }),
            ],
        )
        .changes("decoder.flow.d_output", [json!(6)])
        .refused("decoder.flow.d_output", [json!(0)])
        .elsewhere("decoder.flow.attention", "`tests/family/config_keys.rs` of attn-core")
        .changes("decoder.dropout", [json!(0.25), json!(0.5)])
        .refused("decoder.dropout", [json!(1.0)])
        .changes("decoder.copy", [json!({}), json!({ "unknown": 3 })])
        .check(translated);

    table::<Seq2SeqConfig>(seq2seq(json!({ "name": "luong", "attention": attention() })))
        .only("decoder.flow")
        .changes("decoder.flow", [bahdanau(), json!({ "name": "plain" })])
        .changes("decoder.flow.input_feeding", [json!(true)])
        .elsewhere("decoder.flow.attention", "`tests/family/config_keys.rs` of attn-core")
        .check(translated);

    let mut copying: Seq2SeqConfig = serde_json::from_value(seq2seq(bahdanau())).unwrap();
    copying.decoder.copy = Some(CopyConfig::new().with_unknown(3));
    ConfigKeys::of(&copying)
        .only("decoder.copy")
        .changes("decoder.copy", [json!(null)])
        .changes("decoder.copy.unknown", [json!(null), json!(4)])
        .refused("decoder.copy.unknown", [json!(VOCAB)])
        .check(translated);
}

/// The attention of a decoder is checked against its states and annotations, whose widths it has
/// beside it.
#[test]
fn an_attention_of_other_widths_is_refused() {
    let check = |score: Value| {
        let flow = json!({ "name": "luong", "attention": { "score": score } });
        serde_json::from_value::<Seq2SeqConfig>(seq2seq(flow)).unwrap().validate()
    };
    for name in ["general", "additive", "concat", "location_aware", "coverage"] {
        let score = |d_query: usize, d_key: usize| {
            let mut score = json!({ "name": name, "d_query": d_query, "d_key": d_key });
            let more: &[(&str, usize)] = match name {
                "general" => &[],
                "location_aware" => &[("d_hidden", 5), ("filters", 2), ("kernel", 3)],
                _ => &[("d_hidden", 5)],
            };
            more.iter().for_each(|&(key, value)| score[key] = json!(value));
            check(score).map_err(|error| error.to_string())
        };
        assert_eq!(score(4, 4), Ok(()), "{name}");
        let said = "attention.score.d_query = 5 must be 4, the width of a state of the decoder";
        assert_eq!(score(5, 4), Err(said.to_string()), "{name}");
        let said = "attention.score.d_key = 5 must be 4, the width of an annotation";
        assert_eq!(score(4, 5), Err(said.to_string()), "{name}");
    }
    assert!(check(json!({ "name": "dot" })).is_ok());
    assert!(check(json!({ "name": "location", "d_query": 5, "max_keys": 7 })).is_err());
}

#[test]
fn each_key_of_a_classifier_does_something() {
    let base = json!({
        "version": 1,
        "encoder": { "vocab": VOCAB, "recurrent": layers(3) },
        "pooling": { "name": "self_attentive", "d_hidden": 5, "hops": 2 },
        "labels": 3,
    });
    let classified = |config: &ClassifierConfig| {
        config.validate().map_err(|error| error.to_string())?;
        answer(
            |device| config.init(device),
            |model, device| {
                let tokens = ids(&[vec![5, 7, 2, 9], vec![8, 3, 0, 0]], device);
                model.forward(tokens, &[4, 2]).logits
            },
        )
    };
    let keys = recurrent(table::<ClassifierConfig>(base), "encoder.recurrent");
    keys.refused("version", [json!(0), json!(2)])
        .changes("encoder.vocab", [json!(13)])
        .refused("encoder.vocab", [json!(0)])
        .changes("encoder.recurrent.cell", [json!("gru"), json!("lstmn")])
        .changes("encoder.recurrent.d_hidden", [json!(6)])
        .changes("encoder.recurrent.bidirectional", [json!(true)])
        .changes("encoder.dropout", [json!(0.25), json!(0.5)])
        .refused("encoder.dropout", [json!(1.0)])
        .changes(
            "pooling",
            [json!({ "name": "last" }), json!({ "name": "mean" }), json!({ "name": "attention" })],
        )
        .changes("pooling.d_hidden", [json!(6)])
        .refused("pooling.d_hidden", [json!(0)])
        .changes("pooling.hops", [json!(1), json!(3)])
        .refused("pooling.hops", [json!(0)])
        .changes("labels", [json!(4)])
        .refused("labels", [json!(0)])
        .changes("dropout", [json!(0.25), json!(0.5)])
        .refused("dropout", [json!(1.0)])
        .check(classified);
}

#[test]
fn each_key_of_a_pointer_generator_does_something() {
    let base = PointerGeneratorConfig::new(3, 5, 6);
    let gate = |config: &PointerGeneratorConfig| {
        config.validate().map_err(|error| error.to_string())?;
        let widths = [config.d_context, config.d_state, config.d_input];
        answer(
            |device| config.init(device),
            |pointer, device| {
                let [context, state, input] = widths.map(|width| {
                    let data = numbers(&mut rng(7), 2 * 4 * width);
                    let data = data.into_iter().map(|x| x as f32).collect();
                    Tensor::<3>::from_data(TensorData::new(data, [2, 4, width]), device)
                });
                pointer.gate(context, state, input)
            },
        )
    };
    ["d_context", "d_state", "d_input"]
        .iter()
        .fold(ConfigKeys::of(&base), |keys, key| {
            keys.changes(key, [json!(4)]).refused(key, [json!(0)])
        })
        .check(gate);
}
