//! What [`attention`](super::attention) means, in ordinary tensor operations.
//!
//! Slow and simple: differentiable by burn, on every backend, with the scores as a tensor of size
//! queries × keys.

use super::unfused::{cast, empty_widened, weights};
use super::{precision, sizes};
use crate::parameters::Options;
use burn::tensor::Tensor;

/// Context and log-sum-exp, both differentiable by burn's own operations.
///
/// # Panics
/// As [`attention`](super::attention).
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
    options: &Options,
) -> (Tensor<4>, Tensor<3>) {
    sizes::check(&query, &key, &value, bias.as_ref(), sink.as_ref(), options);
    let storage = query.dtype();
    let value = cast(value, precision::compute_dtype(storage));
    let [_, _, k, d] = value.dims();
    if query.dims().contains(&0) || k == 0 {
        let (context, softmax) = empty_widened(query, k, d, sink);
        return (cast(context, storage), softmax.log_sum_exp());
    }
    let (visible, softmax) = weights(query, key, bias, sink, options);
    let context = visible.weighted_sum(softmax.weights.clone(), value, options.dropout);
    (cast(context, storage), softmax.log_sum_exp())
}
