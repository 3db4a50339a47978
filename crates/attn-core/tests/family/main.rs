//! The family of attention: each member against its equation in plain f64 loops, its gradients
//! against finite differences, and the law under every mask.
//!
//! On ndarray and flex; with the feature `wgpu`, forward passes also there:
//! `cargo test -p attn-core -p attn-testing --features attn-core/wgpu,attn-testing/wgpu --test family`.

mod attention;
mod config_keys;
mod coverage;
mod delta;
mod explain;
mod hard;
mod linear;
mod linformer;
mod local;
mod lsh;
mod monotonic;
mod performer;
mod pooling;
mod reference;
mod regularize;
mod scores;
mod softmax;
mod span;
mod sparse;
mod support;
mod talking_heads;
