//! The linear map of a layer of burn's, by the kernels.

use burn::nn::{Embedding, Linear};
use burn::tensor::Tensor;

/// `x W + b`.
///
/// # Shapes
/// - `x`: `[.., d_input]`
/// - result: `[.., d_output]`
pub(crate) fn apply<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    attn_kernels::linear::linear(x, layer.weight.val(), bias)
}

/// The logits of features: by an output layer, or, where it is tied, by the table that embeds (Press
/// & Wolf 2017).
///
/// # Shapes
/// - `x`: `[.., d_model]`
/// - result: `[.., vocab]`
pub(crate) fn logits<const D: usize>(
    head: Option<&Linear>,
    table: &Embedding,
    x: Tensor<D>,
) -> Tensor<D> {
    match head {
        Some(head) => apply(head, x),
        None => attn_kernels::linear::linear(x, table.weight.val().transpose(), None),
    }
}
