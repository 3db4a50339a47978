//! The parts of attention in ordinary tensor operations, with the scores as a tensor of size queries × keys:
//! for attention over scores that the fused operation cannot compute, and for its weights.
//!
//! ```
//! use attn_kernels::attention::unfused::VisiblePairs;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::default();
//! let [b, h, q, k, d] = [1, 2, 3, 4, 5];
//! let visible = VisiblePairs::new(None, [b, h, q, k], &device);
//! let softmax = visible.softmax(Tensor::ones([b, h, q, k], &device), None);
//! let context = visible.weighted_sum(softmax.weights, Tensor::ones([b, h, k, d], &device), None);
//! assert_eq!(context.dims(), [b, h, q, d]);
//! ```

use super::{precision, sizes};
use crate::parameters::{DropoutMask, Options, Visibility};
use burn::tensor::{Bool, DType, Device, FloatDType, Tensor, TensorData};

/// The softmax of [`attention`](super::attention), without its context.
///
/// # Panics
/// As [`attention`](super::attention).
pub fn softmax(
    query: Tensor<4>,
    key: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
    options: &Options,
) -> Softmax {
    sizes::check(&query, &key, &key, bias.as_ref(), sink.as_ref(), options);
    let keys = key.dims()[2];
    if query.dims().contains(&0) || keys == 0 {
        return empty_widened(query, keys, 1, sink).1;
    }
    weights(query, key, bias, sink, options).1
}

/// Which pairs are visible, and the softmax over these, of at least one pair.
pub(super) fn weights(
    query: Tensor<4>,
    key: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
    options: &Options,
) -> (VisiblePairs, Softmax) {
    let dtype = precision::compute_dtype(query.dtype());
    let (query, key) = (cast(query, dtype), cast(key, dtype));
    let (bias, sink) = (bias.map(|bias| cast(bias, dtype)), sink.map(|sink| cast(sink, dtype)));
    let [b, h, q, _] = query.dims();
    let pairs = [b, h, q, key.dims()[2]];
    let visible = VisiblePairs::new(options.mask.as_deref(), pairs, &query.device());
    let scores = visible.scores(query, key, bias, options); // [b, h, q, k]
    let softmax = visible.softmax(scores, sink);
    (visible, softmax)
}

/// [`empty_attention`] in the type that is computed in.
pub(super) fn empty_widened(
    query: Tensor<4>,
    keys: usize,
    value_dim: usize,
    sink: Option<Tensor<1>>,
) -> (Tensor<4>, Softmax) {
    let dtype = precision::compute_dtype(query.dtype());
    empty_attention(cast(query, dtype), keys, value_dim, sink.map(|sink| cast(sink, dtype)))
}

/// Attention over no keys at all, or of no queries: `rows` is `[batch, heads, queries, _]`, the
/// context `[batch, heads, queries, value_dim]`. Apart, because backends differ in what they make of
/// a product or a maximum over nothing.
pub fn empty_attention(
    rows: Tensor<4>,
    keys: usize,
    value_dim: usize,
    sink: Option<Tensor<1>>,
) -> (Tensor<4>, Softmax) {
    let [b, h, q, _] = rows.dims();
    let device = rows.device();
    let options = (&device, rows.dtype());
    let all = |set: bool| Tensor::full([b, h, q, 1], set, &device.clone().without_autodiff());
    // Zeros with a gradient, which is zero: a loss of them alone can be differentiated.
    let context = if b * h * q > 0 {
        let zero = rows.slice_dim(3, 0..1).mask_fill(all(true), 0.0); // [b, h, q, 1]
        zero.expand([b, h, q, value_dim])
    } else {
        Tensor::zeros([b, h, q, value_dim], options)
    };
    let (max, empty) = match sink.filter(|_| b * h * q > 0) {
        None => (Tensor::zeros([b, h, q, 1], options), all(true)),
        Some(sink) => {
            let sink = sink.reshape([1, h, 1, 1]).expand([b, h, q, 1]);
            let none = sink.clone().equal_elem(f32::NEG_INFINITY);
            (sink.mask_fill(none.clone(), 0.0), none)
        }
    };
    let weights = Tensor::zeros([b, h, q, keys], options);
    (context, Softmax { weights, max, sum: Tensor::ones([b, h, q, 1], options), empty })
}

/// The pairs that a mask lets through; all of them if there is no tensor.
#[derive(Clone, Debug)]
pub struct VisiblePairs(Option<Tensor<4, Bool>>);

impl VisiblePairs {
    /// Of a mask for `pairs`, `[batch, heads, queries, keys]`; `None`: everything is visible.
    pub fn new(mask: Option<&dyn Visibility>, pairs: [usize; 4], device: &Device) -> Self {
        Self(mask.map(|mask| lower(mask, pairs, &device.clone().without_autodiff())))
    }

    /// Scores of all pairs, `[b, h, q, k]`. What is not a number in a query or key reaches only the
    /// scores that are visible; neither the others nor any gradient.
    ///
    /// Hiding the score is not enough: the gradients of a product multiply a hidden pair's zero
    /// with the operand, and 0 · NaN is NaN.
    fn scores(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        bias: Option<Tensor<4>>,
        options: &Options,
    ) -> Tensor<4> {
        let Some(visible) = self.0.clone() else { return scores(query, key, bias, options) };
        if all_finite(&query) && all_finite(&key) {
            return scores(query, key, bias, options);
        }
        let [batch, heads, queries, _] = query.dims();
        let [_, kv_heads, keys, _] = key.dims();
        let pairs = [batch, heads, queries, keys];
        let (clean_query, bad_query) = finite_part(query.clone());
        let (clean_key, bad_key) = finite_part(key.clone());
        let bad_query = bad_query.any_dim(3).expand(pairs);
        let bad_key = bad_key.any_dim(3).swap_dims(2, 3); // [b, g, 1, k]
        let bad_key = repeat_heads(bad_key, heads / kv_heads).expand(pairs);
        let touched = bad_query.bool_or(bad_key).bool_and(visible.expand(pairs));
        let raw = scores(query.detach(), key.detach(), bias.clone().map(Tensor::detach), options);
        scores(clean_query, clean_key, bias, options).mask_where(touched, raw)
    }

    /// The softmax over the visible scores, `[batch, heads, queries, keys]`, and the logit of each
    /// head's sink, if there is one; hidden weights are exactly 0.
    pub fn softmax(&self, scores: Tensor<4>, sink: Option<Tensor<1>>) -> Softmax {
        let Some(visible) = self.0.clone() else { return Softmax::new(scores, sink) };
        let hidden = visible.bool_not().expand(scores.dims());
        let softmax = Softmax::new(scores.mask_fill(hidden.clone(), f32::NEG_INFINITY), sink);
        if all_finite(&softmax.sum) {
            return softmax;
        }
        // One visible NaN makes its whole row NaN, and the hidden keys must not have a part in it.
        Softmax { weights: softmax.weights.mask_fill(hidden, 0.0), ..softmax }
    }

    /// `weights · value`, with dropout on the weights, `[batch, heads, queries, value_dim]`. A value
    /// that is not finite reaches only the queries that see it, as NaN.
    pub fn weighted_sum(
        &self,
        weights: Tensor<4>,
        value: Tensor<4>,
        dropout: Option<DropoutMask>,
    ) -> Tensor<4> {
        let dims = weights.dims();
        let weights = match dropout {
            None => weights,
            Some(mask) => {
                let device = weights.device().without_autodiff();
                let dropped = mask.tensor(dims, &device).equal_elem(0.0);
                weights.mask_fill(dropped, 0.0).mul_scalar(mask.kept_factor())
            }
        };
        let Some(visible) = self.0.clone().filter(|_| !all_finite(&value)) else {
            return grouped_matmul(weights, value);
        };
        let (clean, bad) = finite_part(value);
        let context = grouped_matmul(weights, clean);
        let seen = grouped_matmul(visible.expand(dims).float(), bad.float()); // [b, h, q, d]
        // Added, not filled in: what is finite in such a sum keeps its gradient.
        let seen = seen.greater_elem(0.0);
        let not_a_number = context.zeros_like().mask_fill(seen, f32::NAN);
        context + not_a_number
    }
}

/// `mask`-less scores: `soft-cap(scale · q·kᵀ) + bias`, `[b, h, q, k]`.
fn scores(
    query: Tensor<4>,
    key: Tensor<4>,
    bias: Option<Tensor<4>>,
    options: &Options,
) -> Tensor<4> {
    // Scaling the query, not the scores, touches d instead of k numbers per row.
    let scores = grouped_matmul(query.mul_scalar(options.scale), key.transpose());
    let scores = match options.softcap {
        None => scores,
        // Not a division: the gradient of burn's 0.22.1 rounds its divisor to f32.
        Some(cap) => scores.mul_scalar(1.0 / cap).tanh().mul_scalar(cap),
    };
    match bias {
        None => scores,
        Some(bias) => scores + bias,
    }
}

/// A softmax over the last dimension of which −∞ entries are no part.
#[derive(Clone, Debug)]
pub struct Softmax {
    /// `[batch, heads, queries, keys]`, before dropout: each row sums to 1, less the share of a
    /// sink, or to 0 if it is empty.
    pub weights: Tensor<4>,
    /// `[b, h, q, 1]`, 0 where a row is empty.
    max: Tensor<4>,
    /// `[b, h, q, 1]`, sum of `exp(score - max)`; 1 where a row is empty.
    sum: Tensor<4>,
    /// `[b, h, q, 1]`
    empty: Tensor<4, Bool>,
}

impl Softmax {
    /// Of scores `[batch, heads, queries, keys]` and, as one more score of each row, the logit of a
    /// sink, `[heads]`. Exponentials and sums are taken in f32 at least.
    pub fn new(scores: Tensor<4>, sink: Option<Tensor<1>>) -> Self {
        let storage = scores.dtype();
        let dtype = precision::compute_dtype(storage);
        let scores = cast(scores, dtype);
        let [b, h, q, _] = scores.dims();
        let sink = sink.map(|sink| cast(sink, dtype).reshape([1, h, 1, 1]).expand([b, h, q, 1]));
        // The softmax does not depend on the shift, so no gradient passes through it.
        let max = scores.clone().detach().max_dim(3);
        let max = match &sink {
            None => max,
            Some(sink) => {
                let sink = sink.clone().detach();
                max.clone().mask_where(sink.clone().greater(max), sink)
            }
        };
        // An empty row: −∞ − (−∞) would be NaN.
        let empty = max.clone().equal_elem(f32::NEG_INFINITY);
        let max = max.mask_fill(empty.clone(), 0.0);
        let exp = (scores - max.clone()).exp();
        let sum = exp.clone().sum_dim(3);
        let sum = match sink {
            None => sum,
            Some(sink) => sum + (sink - max.clone()).exp(),
        };
        let sum = sum.mask_fill(empty.clone(), 1.0);
        let weights = cast(exp / sum.clone(), storage);
        Self { weights, max, sum, empty }
    }

    /// `[batch, heads, queries]`; −∞ where a row is empty.
    pub fn log_sum_exp(self) -> Tensor<3> {
        let lse = self.sum.log() + self.max;
        lse.mask_fill(self.empty, f32::NEG_INFINITY).squeeze_dim(3)
    }
}

/// `left · right` where heads of `left` share those of `right`: `[b, h, q, x] · [b, g, x, y]`.
///
/// The heads of a group are stacked as rows, so nothing of `right` is repeated.
pub fn grouped_matmul(left: Tensor<4>, right: Tensor<4>) -> Tensor<4> {
    let [b, h, q, x] = left.dims();
    let [_, g, _, y] = right.dims();
    if h == g {
        return left.matmul(right);
    }
    left.reshape([b, g, h / g * q, x]).matmul(right).reshape([b, h, q, y])
}

/// `[b, g, q, k]` → `[b, g · times, q, k]`, each head `times` times in a row.
fn repeat_heads(heads: Tensor<4, Bool>, times: usize) -> Tensor<4, Bool> {
    let [b, g, q, k] = heads.dims();
    heads.unsqueeze_dim::<5>(2).expand([b, g, times, q, k]).reshape([b, g * times, q, k])
}

/// Which pairs are visible, with 1 for each size that the mask does not depend on.
fn lower(mask: &dyn Visibility, pairs: [usize; 4], device: &Device) -> Tensor<4, Bool> {
    let dims = mask.dims();
    let [batch, heads, queries, keys] = dims;
    debug_assert!(dims.iter().zip(pairs).all(|(&size, full)| size == 1 || size == full));
    let mut visible = Vec::with_capacity(dims.iter().product());
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                for first in (0..keys).step_by(64) {
                    let bits = mask.bits(b, h, i, first);
                    visible.extend((0..(keys - first).min(64)).map(|j| bits >> j & 1 == 1));
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(visible, dims), device)
}

/// The tensor with 0 for what is NaN or infinite, and where that was.
fn finite_part(tensor: Tensor<4>) -> (Tensor<4>, Tensor<4, Bool>) {
    let bad = tensor.clone().detach().is_finite().bool_not();
    (tensor.mask_fill(bad.clone(), 0.0), bad)
}

/// Whether all elements are finite, read back to the host. A sum that overflows counts as not
/// finite, which costs time, never correctness.
fn all_finite(tensor: &Tensor<4>) -> bool {
    tensor.clone().detach().sum().into_scalar::<f32>().is_finite()
}

pub(super) fn cast<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype { tensor } else { tensor.cast(FloatDType::from(dtype)) }
}
