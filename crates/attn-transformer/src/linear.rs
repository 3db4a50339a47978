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

/// [`apply`] of several layers to one input.
pub(crate) fn apply_all<const D: usize, const N: usize>(
    layers: [&Linear; N],
    x: Tensor<D>,
) -> [Tensor<D>; N] {
    let map = |layer: &Linear| (layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()));
    attn_kernels::linear::linear_maps(x, layers.map(map))
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
    let (weight, bias) = projection(head, table);
    attn_kernels::linear::linear(x, weight, bias)
}

/// The matrix `[d_model, vocab]` that makes [`logits`] of features, and the row that is added.
pub(crate) fn projection(
    head: Option<&Linear>,
    table: &Embedding,
) -> (Tensor<2>, Option<Tensor<1>>) {
    match head {
        Some(head) => (head.weight.val(), head.bias.as_ref().map(|bias| bias.val())),
        None => (table.weight.val().transpose(), None),
    }
}
