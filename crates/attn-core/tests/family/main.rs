//! The family of attention: each member against its equation in plain f64 loops, its gradients
//! against finite differences, and the law under every mask.
//!
//! On ndarray and flex; with the feature `wgpu`, forward passes also there:
//! `cargo test -p attn-core --features wgpu --test family`.

mod delta;
mod linear;
mod linformer;
mod lsh;
mod performer;
mod reference;
mod softmax;
mod support;
