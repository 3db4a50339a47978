//! How fast this machine multiplies matrices: what the sides are measured against.

use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

/// Rows, columns and depth of the product: its three matrices do not fit into a core's own caches, and
/// it is long enough for threads to be awake.
const SIZE: usize = 1024;

/// Floating-point operations per second of single products of 1024³ in f32, one for each of `repeats`
/// and one before them that does not count.
///
/// The product is that of the linear map of attn-kernels on `device`, which on a processor is the
/// `gemm` crate on all of rayon's threads: the fastest at hand in Rust.
pub fn matrix_products(device: &Device, repeats: usize) -> Vec<f64> {
    let draw = || Tensor::<2>::random([SIZE, SIZE], Distribution::Uniform(-1.0, 1.0), device);
    let (a, b) = (draw(), draw());
    let once = || {
        let start = Instant::now();
        let product = attn_kernels::linear::linear(a.clone(), b.clone(), None);
        // A device that answers before it has worked is waited for.
        device.sync().expect("a device that drew a matrix multiplies it");
        let seconds = start.elapsed().as_secs_f64();
        drop(product);
        2.0 * (SIZE as f64).powi(3) / seconds
    };
    once();
    (0..repeats).map(|_| once()).collect()
}
