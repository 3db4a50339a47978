//! Attention rollout: through all layers of a model.

use super::tiles::{Frame, walk};
use crate::{AttendOptions, Mask};
use burn::tensor::Tensor;

/// One layer of self-attention, as [`attend`](crate::attend) is given it: as many queries as keys.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// `[batch, heads, n, d]`
    pub query: &'a Tensor<4>,
    /// `[batch, kv_heads, n, d]`
    pub key: &'a Tensor<4>,
    /// Who sees whom.
    pub mask: &'a Mask,
    /// Scale, soft-cap, bias and sink.
    pub options: &'a AttendOptions,
}

/// Attention rollout (Abnar & Zuidema 2020, section 3): how much of each token of the input is in
/// each token of the last layer, if a layer passes on half of what it was given and half of what it
/// attended to. With `A_l` the mean of the weights of layer `l` over its heads,
///
/// ```text
/// Â_l = ½ (A_l + I)        R = Â_L · … · Â_2 · Â_1
/// ```
///
/// A row sums to 1 as long as those of the weights do: what a query gives to a sink, or to no key
/// since it sees no key, is lost on the way.
///
/// ```
/// use attn_core::explain;
/// use burn::tensor::{Device, Tensor};
///
/// // Two tokens; the second one attends to the first alone, in both of two layers.
/// let weights = Tensor::<4>::from_floats([[[[1.0, 0.0], [1.0, 0.0]]]], &Device::default());
/// let rollout = explain::rollout(&[weights.clone(), weights]);
/// assert_eq!(rollout.try_into_vec_as::<f32>().unwrap(), [1.0, 0.0, 0.75, 0.25]);
/// ```
///
/// # Shapes
/// - `weights`: of each layer, the first one first, `[batch, heads, n, n]`; `heads` may differ
/// - result: `[batch, n, n]`, output tokens by input tokens
///
/// # Panics
/// If there is no layer, or the weights are not square or of several sizes.
#[track_caller]
pub fn rollout(weights: &[Tensor<4>]) -> Tensor<3> {
    let first = weights.first().expect("rollout of no layers, needs at least 1");
    let [batch, _, n, _] = first.dims();
    let frame = Frame::of_weights(first);
    let identity = frame.tensor(identity(0..n, n), [1, n, n]).expand([batch, n, n]);
    weights.iter().fold(identity, |product, weights| {
        let dims = weights.dims();
        let expected = [batch, dims[1], n, n];
        assert_eq!(dims, expected, "rollout of weights {dims:?} in layers of {n} tokens");
        let mean = frame.cast(weights.clone().without_autodiff()).mean_dim(1).squeeze_dim(1); // [b, n, n]
        (product.clone() + mean.matmul(product)).mul_scalar(0.5)
    })
}

/// Some rows times the [`rollout`] of layers, `rows · Â_L · … · Â_1`, from the last layer to the
/// first and in tiles: nothing of size `n · n` is held.
///
/// # Shapes
/// - `rows`: `[batch, rows, n]`, weights of tokens of the last layer
/// - result: `[batch, rows, n]`, weights of tokens of the input
///
/// # Panics
/// If there is no layer, or the layers and the rows are not all of one batch and `n` tokens; or as
/// [`attend`](crate::attend).
#[track_caller]
pub fn rollout_rows(layers: &[Layer<'_>], rows: Tensor<3>) -> Tensor<3> {
    assert!(!layers.is_empty(), "rollout of no layers, needs at least 1");
    let [batch, _, n] = rows.dims();
    layers.iter().rev().fold(rows.without_autodiff(), |rows, layer| {
        let Layer { query, key, mask, options } = *layer;
        let frame = Frame::of(query, key, options);
        let [layer_batch, _, queries, keys] = frame.dims;
        assert_eq!(
            [layer_batch, queries, keys],
            [batch, n, n],
            "rollout of {batch} batch rows of {n} tokens through a layer of {layer_batch}, \
             {queries} queries, {keys} keys"
        );
        let rows = frame.cast(rows);
        let mut attended = rows.zeros_like();
        walk(&frame, query.clone(), key.clone(), mask, options, |part| {
            let mean = part.weights.mean_dim(1).squeeze_dim::<3>(1); // [b, t, c]
            let share = rows.clone().slice_dim(2, part.rows).matmul(mean); // [b, s, c]
            let so_far = attended.clone().slice_dim(2, part.cols.clone());
            let [b, s, _] = share.dims();
            attended = attended.clone().slice_assign([0..b, 0..s, part.cols], so_far + share);
        });
        (rows + attended).mul_scalar(0.5)
    })
}

/// The rows of a [`rollout`] of these output tokens, in tiles as [`rollout_rows`].
///
/// # Shapes
/// - result: `[batch, tokens, n]`
///
/// # Panics
/// If there is no token, or one is not among the `n`; or as [`rollout_rows`].
#[track_caller]
pub fn rollout_tokens(layers: &[Layer<'_>], tokens: &[usize]) -> Tensor<3> {
    let first = layers.first().expect("rollout of no layers, needs at least 1");
    let frame = Frame::of(first.query, first.key, first.options);
    let [batch, _, n, _] = frame.dims;
    assert!(!tokens.is_empty(), "rollout of no tokens, needs at least 1");
    if let Some(token) = tokens.iter().find(|&&token| token >= n) {
        panic!("rollout of token {token} in layers of {n} tokens");
    }
    let count = tokens.len();
    let rows = frame.tensor(identity(tokens.iter().copied(), n), [1, count, n]);
    rollout_rows(layers, rows.expand([batch, count, n]))
}

/// Rows of an identity matrix of size `n`, row-major.
fn identity(rows: impl IntoIterator<Item = usize>, n: usize) -> Vec<f64> {
    let row = |i: usize| (0..n).map(move |j| f64::from(u8::from(i == j)));
    rows.into_iter().flat_map(row).collect()
}
