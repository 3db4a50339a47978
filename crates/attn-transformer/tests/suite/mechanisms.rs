//! A block attends with what its configuration names.

use crate::mechanism_table::{DECODING, ENCODING};
use crate::support::{assert_close, devices, floats, rng, seeded, values};
use attn_core::{Mask, Mechanism};
use attn_transformer::{
    BlockConfig, ConfigError, DecoderOnlyConfig, EncoderDecoderConfig, EncoderOnlyConfig,
    MultiHeadAttention,
};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

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
            let mechanism = &layer.mechanism;
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
            let memory = layer.project_memory(x.clone(), None);
            let crossed = layer.cross_attend(x.clone(), &memory, &mask, None);
            assert_close(&crossed, &expected, TERMS, &format!("cross-attention of {name}"));
            let crossed = layer.cross_attend_with_weights(x.clone(), &memory, &mask, None);
            assert_close(&crossed.output, &expected, TERMS, &format!("cross-output of {name}"));
            assert_close(&crossed.weights, &weights, TERMS, &format!("cross-weights of {name}"));
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
fn what_a_mechanism_cannot_do_is_refused() {
    let decoder = |mechanism: &str| DecoderOnlyConfig::new(11, config(mechanism)).validate();
    let linformer = r#"{ "name": "linformer", "max_keys": 9, "projected": 4 }"#;
    assert_eq!(decoder(linformer), Err(ConfigError::Decoder));
    assert!(EncoderOnlyConfig::new(11, config(linformer)).validate().is_ok());
    // Its bias counts keys that a decoder does not know of yet.
    let sigmoid = r#"{ "name": "attention", "alignment": { "name": "sigmoid", "bias": "keys" } }"#;
    assert_eq!(decoder(sigmoid), Err(ConfigError::Decoder));
    let message = |mechanism: &str| decoder(mechanism).unwrap_err().to_string();
    assert_eq!(
        message(r#"{ "name": "performer", "d_head": 7, "features": 32 }"#),
        "mechanism: performer: d_head = 7 does not fit, needs 6"
    );
    assert_eq!(
        message(r#"{ "name": "attention", "alignment": { "name": "top_k", "k": 0 } }"#),
        "mechanism: top-k alignment: k must be at least 1, got 0"
    );
    assert_eq!(
        message(r#"{ "name": "attention", "softcap": -1.0 }"#),
        "mechanism: attention: softcap must be positive and finite, got -1"
    );
}

#[test]
fn what_cross_attention_cannot_do_is_refused() {
    let cross = |mechanism: &str| {
        let mechanism = serde_json::from_str(mechanism).unwrap();
        let block = BlockConfig { kv_heads: Some(2), ..BlockConfig::new(24, 4) };
        EncoderDecoderConfig::new(11, 11, block.with_cross_mechanism(mechanism)).validate()
    };
    for mechanism in [
        r#"{ "name": "lsh", "d_head": 6, "buckets": 4 }"#,
        r#"{ "name": "retention" }"#,
        r#"{ "name": "attention", "alignment": { "name": "adaptive_span", "heads": 4, "max_span": 9 } }"#,
    ] {
        assert_eq!(cross(mechanism), Err(ConfigError::Cross), "{mechanism}");
    }
    assert_eq!(
        cross(r#"{ "name": "performer", "d_head": 7, "features": 32 }"#).unwrap_err().to_string(),
        "cross_mechanism: performer: d_head = 7 does not fit, needs 6"
    );
}
