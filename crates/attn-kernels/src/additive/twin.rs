//! Additive scores in plain tensor operations: what "correct" means, and what runs on every device.

use burn::tensor::Tensor;
use burn::tensor::module::linear;

/// [`scores`](super::scores).
pub fn scores(query: Tensor<4>, key: Tensor<4>, v: Tensor<1>) -> Tensor<4> {
    let query = query.unsqueeze_dim::<5>(3); // [b, h, q, 1, d]
    let key = key.unsqueeze_dim::<5>(2); // [b, h, 1, k, d]
    let hidden = (query + key).tanh(); // [b, h, q, k, d]
    linear(hidden, v.unsqueeze_dim(1), None).squeeze_dim(4) // [b, h, q, k]
}
