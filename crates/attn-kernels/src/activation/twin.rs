//! Activations in plain tensor operations: what "correct" means, and what runs on every device.

use crate::parameters::Activation;
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, silu};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// [`Activation::forward`].
pub fn activation<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Silu => silu(x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// [`Activation::gate`].
pub fn gate<const D: usize>(activation: Activation, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    self::activation(activation, x) * y
}

/// `x Φ(x)`, with `Φ(x) = (1 + erf(x / √2)) / 2`.
///
/// Not burn's own function of that name: in 0.22 its gradient is that of the tanh approximation,
/// off by up to 10⁻³.
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let twice_phi = (x.clone() * FRAC_1_SQRT_2).erf() + 1.0;
    x * twice_phi * 0.5
}

/// `x (1 + tanh(u)) / 2`, with `u = √(2/π) (x + 0.044715 x³)`.
///
/// Not burn's own, whose gradient is NaN where the square of `x` overflows: beyond ±10 the hyperbolic tangent is
/// ±1 in f64 too, and its slope 0.
fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let near = x.clone().clamp(-10.0, 10.0);
    let u = (near.clone().square() * 0.044715 + 1.0) * near * (FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    x * (u.tanh() + 1.0) * 0.5
}
