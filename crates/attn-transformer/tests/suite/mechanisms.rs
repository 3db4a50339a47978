//! A block attends with what its configuration names.

use crate::support::{assert_close, devices, floats, ids, random_ids, rng, seeded, values};
use attn_core::{Mask, Mechanism};
use attn_transformer::{
    BlockConfig, ConfigError, DecoderCache, DecoderOnlyConfig, EncoderOnlyConfig, Layout,
    MultiHeadAttention,
};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

/// The mechanisms that a decoder may have, as a file names them; heads of width 6, 4 on 2.
const DECODING: [&str; 9] = [
    r#"{ "name": "attention" }"#,
    r#"{ "name": "attention", "score": { "name": "additive", "d_query": 6, "d_key": 6, "d_hidden": 5 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "sparsemax" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "softmax", "sink": { "learned": 4 } } }"#,
    r#"{ "name": "attention", "talking_heads": 4 }"#,
    r#"{ "name": "linear_attention" }"#,
    r#"{ "name": "performer", "d_head": 6, "features": 32 }"#,
    r#"{ "name": "retention" }"#,
    r#"{ "name": "gated_delta", "d_head": 6, "kv_heads": 2 }"#,
];

/// The others, which need all keys at once.
const ENCODING: [&str; 2] = [
    r#"{ "name": "linformer", "max_keys": 9, "projected": 4 }"#,
    r#"{ "name": "lsh", "d_head": 6, "buckets": 4, "chunk": 3 }"#,
];

/// Two blocks of width 24, at most 96 inside, over 9 keys, both ways to compute; and for features and
/// states, which are sums over keys and then over features, eight times that.
const TERMS: usize = 8 * 2 * 2 * (4 * 24 + 2 * 9 + 2 * 24 + 96 + 24);

fn config(mechanism: &str) -> BlockConfig {
    let text = format!(
        r#"{{ "d_model": 24, "heads": 4, "kv_heads": 2, "dropout": 0.0, "mechanism": {mechanism} }}"#
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn layer(mechanism: &str, device: &Device) -> MultiHeadAttention {
    seeded(config(mechanism).attention().init(device), 5)
}

/// Heads of width 6: `[b, s, heads · 6]` → `[b, heads, s, 6]`.
fn heads(projection: &Linear, x: &Tensor<3>) -> Tensor<4> {
    let projected = projection.forward(x.clone());
    let [b, s, width] = projected.dims();
    projected.reshape([b, s, width / 6, 6]).swap_dims(1, 2)
}

/// The layer is its projections around the mechanism, whichever of its methods is called.
#[test]
fn a_layer_attends_with_its_mechanism() {
    let (batch, steps, width) = (3, 9, 24);
    for device in devices() {
        let x = floats(&mut rng(6), [batch, steps, width], &device);
        let masks = DECODING.map(|mechanism| (mechanism, Mask::causal())).into_iter();
        for (name, mask) in masks.chain(ENCODING.map(|name| (name, Mask::padding([9, 4, 7])))) {
            let layer = layer(name, &device);
            let mechanism = layer.mechanism.clone().unwrap();
            let query = heads(&layer.query, &x);
            let [key, value] = [&layer.key, &layer.value].map(|by| heads(by, &x));
            let weights = mechanism.weights(query.clone(), key.clone(), &mask);
            let context = mechanism.forward(query, key, value, &mask);
            let merged = context.swap_dims(1, 2).reshape([batch, steps, width]);
            let expected = layer.output.forward(merged);

            let output = layer.forward(x.clone(), &mask, None);
            assert_close(&output, &expected, TERMS, &format!("forward of {name}"));
            let attended = layer.forward_with_weights(x.clone(), &mask, None);
            assert_close(&attended.output, &expected, TERMS, &format!("output of {name}"));
            assert_close(&attended.weights, &weights, TERMS, &format!("weights of {name}"));
            let memory = layer.project(x.clone(), None);
            let read = layer.read(x.clone(), memory.clone(), &mask);
            assert_close(&read, &expected, TERMS, &format!("what is read by {name}"));
            let read = layer.read_with_weights(x.clone(), memory, &mask);
            assert_close(&read.output, &expected, TERMS, &format!("what {name} reads"));
            assert_close(&read.weights, &weights, TERMS, &format!("weights read by {name}"));
        }
    }
}

/// With the same projections: each mechanism differs from the default by far more than rounding.
#[test]
fn every_mechanism_gives_another_output_than_the_default() {
    for device in devices() {
        let x = floats(&mut rng(6), [3, 9, 24], &device);
        let default = layer(DECODING[0], &device);
        for name in DECODING[1..].iter().chain(&ENCODING) {
            let causal = DECODING.contains(name);
            let mask = if causal { Mask::causal() } else { Mask::open() };
            let mut layer = layer(name, &device);
            layer.query = default.query.clone();
            layer.key = default.key.clone();
            layer.value = default.value.clone();
            layer.output = default.output.clone();
            let expected = default.forward(x.clone(), &mask, None);
            let differences = (layer.forward(x.clone(), &mask, None) - expected).abs();
            let most = values(&differences.max())[0];
            assert!(most > 1e-2, "{name} differs from the default by at most {most}");
        }
    }
}

#[test]
fn a_cache_changes_nothing_and_a_chunk_is_a_part() {
    let (batch, steps, vocab) = (3, 9, 11);
    for device in devices() {
        for mechanism in DECODING {
            let model =
                DecoderOnlyConfig { layers: 2, ..DecoderOnlyConfig::new(vocab, config(mechanism)) };
            let model = model.init(&device);
            let model = seeded(model, 5);
            let ids = ids(&random_ids(&mut rng(7), [batch, steps], vocab as u32), &device);
            let whole = model.forward(ids.clone(), &Layout::causal(), None);
            let mut cache = DecoderCache::new();
            let parts = [0..4, 4..5, 5..9].map(|chunk| {
                let ids = ids.clone().slice_dim(1, chunk);
                model.forward(ids, &Layout::causal(), Some(&mut cache))
            });
            let parts = Tensor::cat(parts.into(), 1);
            assert_close(&parts, &whole, TERMS, mechanism);
        }
    }
}

#[test]
fn what_looks_back_or_needs_all_keys_is_refused() {
    let decoder = |mechanism: &str| DecoderOnlyConfig::new(11, config(mechanism)).validate();
    let monotonic = r#"{ "name": "attention", "alignment": { "name": "monotonic" } }"#;
    assert_eq!(decoder(monotonic), Err(ConfigError::LooksBack));
    let linformer = r#"{ "name": "linformer", "max_keys": 9, "projected": 4 }"#;
    assert_eq!(decoder(linformer), Err(ConfigError::Decoder));
    assert!(EncoderOnlyConfig::new(11, config(linformer)).validate().is_ok());
    let message = |mechanism: &str| decoder(mechanism).unwrap_err().to_string();
    assert_eq!(
        message(r#"{ "name": "performer", "d_head": 7, "features": 32 }"#),
        "mechanism: performer: d_head = 7 does not fit, needs 6"
    );
    assert_eq!(
        message(r#"{ "name": "attention", "alignment": { "name": "top_k", "k": 0 } }"#),
        "mechanism: top-k alignment: k must be at least 1, got 0"
    );
    let capped = BlockConfig { softcap: Some(30.0), ..config(r#"{ "name": "retention" }"#) };
    assert_eq!(capped.validate(), Err(ConfigError::BesideMechanism { key: "softcap" }));
}
