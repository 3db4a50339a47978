//! Norms in plain tensor operations: what "correct" means, and what runs on every device.

use burn::tensor::{Tensor, module};

/// [`layer_norm`](super::layer_norm).
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    module::layer_norm(x, gamma, Some(beta), epsilon)
}

/// [`rms_norm`](super::rms_norm).
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let mean_square = x.clone().square().mean_dim(D - 1); // [.., 1]
    x / (mean_square + epsilon).sqrt() * gamma.unsqueeze()
}
