//! Each layer against its equation in plain f64 loops, and its gradients against finite differences.
//!
//! On ndarray and flex; with the feature `attn-testing/wgpu`, forward passes also there.

mod channels;
mod config_keys;
mod glimpse;
