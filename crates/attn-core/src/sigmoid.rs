//! The logistic function in the precision of its argument.

use burn::tensor::{DType, Tensor, activation};

/// `1 / (1 + exp(−x))`.
///
/// burn computes it in f32, whatever it is given, where a backend has none of its own, as of 0.22.
/// In f64 it is `(1 + tanh(x/2)) / 2`, which does not overflow, and nor does its gradient.
pub(crate) fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F64 => (x * 0.5).tanh() * 0.5 + 0.5,
        _ => activation::sigmoid(x),
    }
}
