//! A block attends with what its configuration names.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded};
use attn_transformer::{
    BlockConfig, ConfigError, DecoderCache, DecoderOnlyConfig, EncoderOnlyConfig, Layout,
};

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

/// Two blocks of width 24, at most 96 inside, over 9 keys, both ways to compute; and for features and
/// states, which are sums over keys and then over features, eight times that.
const TERMS: usize = 8 * 2 * 2 * (4 * 24 + 2 * 9 + 2 * 24 + 96 + 24);

fn config(mechanism: &str) -> BlockConfig {
    let text = format!(
        r#"{{ "d_model": 24, "heads": 4, "kv_heads": 2, "dropout": 0.0, "mechanism": {mechanism} }}"#
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
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
            let parts = burn::tensor::Tensor::cat(parts.into(), 1);
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
