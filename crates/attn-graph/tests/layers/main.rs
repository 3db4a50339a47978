//! Graph attention against its equations in plain f64 loops, and its gradients against finite differences.
//!
//! On ndarray and flex; with the feature `attn-testing/wgpu`, forward passes also there.

mod config_keys;
mod graph;
