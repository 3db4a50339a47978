//! What the cells share.

use attn_kernels::activation::Activation;
use burn::tensor::{DType, Tensor};

/// `σ(x)`
pub(super) fn sigmoid(x: Tensor<2>) -> Tensor<2> {
    if x.dtype() == DType::F64 {
        // burn's own goes through f32 on some backends; `tanh` does not.
        return (x * 0.5).tanh() * 0.5 + 0.5;
    }
    Activation::Sigmoid.forward(x)
}

/// Gates `first .. first + count`, each `d_hidden` wide.
pub(super) fn gates(x: &Tensor<2>, d_hidden: usize, first: usize, count: usize) -> Tensor<2> {
    x.clone().slice_dim(1, first * d_hidden..(first + count) * d_hidden)
}
