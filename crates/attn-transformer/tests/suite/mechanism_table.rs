//! The mechanisms, as a file names them, for heads of width 6, 4 on 2.

/// Those that a decoder may have, with every score and every alignment; the first is the default.
pub const DECODING: [&str; 30] = [
    r#"{ "name": "attention" }"#,
    r#"{ "name": "attention", "softcap": 0.5 }"#,
    r#"{ "name": "attention", "talking_heads": 4 }"#,
    r#"{ "name": "attention", "score": { "name": "dot" } }"#,
    r#"{ "name": "attention", "score": { "name": "general", "d_query": 6, "d_key": 6 } }"#,
    r#"{ "name": "attention", "score": { "name": "additive", "d_query": 6, "d_key": 6, "d_hidden": 5 } }"#,
    r#"{ "name": "attention", "score": { "name": "concat", "d_query": 6, "d_key": 6, "d_hidden": 5 } }"#,
    r#"{ "name": "attention", "score": { "name": "cosine" } }"#,
    r#"{ "name": "attention", "score": { "name": "l2" } }"#,
    r#"{ "name": "attention", "score": { "name": "gaussian", "learned": true } }"#,
    r#"{ "name": "attention", "score": { "name": "location", "d_query": 6, "max_keys": 9 } }"#,
    r#"{ "name": "attention", "score": { "name": "location_aware", "d_query": 6, "d_key": 6, "d_hidden": 5, "filters": 2, "kernel": 3 } }"#,
    r#"{ "name": "attention", "score": { "name": "coverage", "d_query": 6, "d_key": 6, "d_hidden": 5 } }"#,
    r#"{ "name": "attention", "softcap": 0.5, "score": { "name": "l2" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "softmax", "sink": { "learned": 4 } } }"#,
    r#"{ "name": "attention", "alignment": { "name": "local_m", "d": 2 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "local_p", "d": 2, "d_query": 6, "d_hidden": 5 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "monotonic" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "chunkwise", "chunk": 3 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "adaptive_span", "heads": 4, "max_span": 3, "ramp": 2, "initial": 1.0 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "sparsemax" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "entmax", "alpha": { "learned": 4 } } }"#,
    r#"{ "name": "attention", "alignment": { "name": "sigmoid", "bias": "visible" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "top_k", "k": 2 } }"#,
    r#"{ "name": "attention", "alignment": { "name": "hard" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "gumbel_softmax" } }"#,
    r#"{ "name": "linear_attention", "chunk": 4 }"#,
    r#"{ "name": "performer", "d_head": 6, "features": 32, "chunk": 4 }"#,
    r#"{ "name": "retention", "chunk": 4 }"#,
    r#"{ "name": "gated_delta", "d_head": 6, "kv_heads": 2, "chunk": 4 }"#,
];

/// The others, which need all keys at once.
pub const ENCODING: [&str; 2] = [
    r#"{ "name": "linformer", "max_keys": 9, "projected": 4 }"#,
    r#"{ "name": "lsh", "d_head": 6, "buckets": 4, "chunk": 3 }"#,
];

/// Those of [`DECODING`] whose state is a sum over keys.
pub fn is_linear(mechanism: &str) -> bool {
    !mechanism.contains("attention\"") || mechanism.contains("linear_attention")
}
