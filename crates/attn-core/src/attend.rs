//! Attention itself: score → mask → align → context.
//!
//! Ordinary differentiable tensor operations, so that it runs on every backend; scores of size
//! queries × keys are materialised.

use crate::{AttendOptions, AttentionShape, DropoutMask, Mask};
use burn::tensor::{Bool, DType, FloatDType, Tensor};

/// What [`attend_with_weights`] and [`align`] return.
#[derive(Clone, Debug)]
pub struct Attended {
    /// `[batch, heads, queries, value_dim]`
    pub context: Tensor<4>,
    /// `[batch, heads, queries, keys]`, before dropout: each row sums to one, or to zero if its
    /// query sees no key.
    pub weights: Tensor<4>,
    /// `[batch, heads, queries]`: logarithm of the sum of the exponentials of the visible scores;
    /// −∞ for a query that sees no key.
    pub log_sum_exp: Tensor<3>,
}

/// Scaled dot-product attention, `softmax(q·kᵀ / sqrt(d)) · v` (Vaswani et al. 2017, equation 1),
/// under the [law of attention](crate#the-law-of-attention).
///
/// Grouped queries (Ainslie et al. 2023): with fewer key/value heads than query heads, query head
/// `h` reads key/value head `h / (heads / kv_heads)`.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
/// - `value`: `[batch, kv_heads, keys, value_dim]`
/// - result: `[batch, heads, queries, value_dim]`
///
/// # Panics
/// If the shapes do not fit together, the mask's lists or matrices do not fit the shapes, or a
/// soft-cap is not positive.
///
/// ```
/// use attn_core::{AttendOptions, Mask, attend};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let [b, h, q, k, d] = [1, 2, 3, 5, 4];
/// let query = Tensor::<4>::ones([b, h, q, d], &device);
/// let key = Tensor::<4>::ones([b, h, k, d], &device);
/// let value = Tensor::<4>::ones([b, h, k, d], &device);
/// let context = attend(query, key, value, &Mask::causal(), &AttendOptions::default());
/// assert_eq!(context.dims(), [b, h, q, d]);
/// ```
pub fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> Tensor<4> {
    attention(query, key, value, mask, options).0
}

/// [`attend`], and the log-sum-exp of each row, `[batch, heads, queries]`.
///
/// Two attentions over disjoint sets of keys merge exactly with it; and it is what a fused backward
/// pass keeps instead of the weights (Dao et al. 2022, section 3.1).
///
/// # Panics
/// As [`attend`].
pub fn attend_with_lse(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> (Tensor<4>, Tensor<3>) {
    let (context, softmax) = attention(query, key, value, mask, options);
    (context, softmax.log_sum_exp())
}

/// [`attend`], with the weights and their log-sum-exp.
///
/// # Panics
/// As [`attend`].
pub fn attend_with_weights(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> Attended {
    let (context, softmax) = attention(query, key, value, mask, options);
    Attended { context, weights: softmax.weights.clone(), log_sum_exp: softmax.log_sum_exp() }
}

/// Alignment of scores of any origin: masks them, turns each row into weights by softmax, and
/// averages the values with these.
///
/// With a [`Score`](crate::Score), this is attention in the general form of Luong et al. (2015),
/// equations 7–8.
///
/// # Shapes
/// - `scores`: `[batch, heads, queries, keys]`
/// - `value`: `[batch, kv_heads, keys, value_dim]`
///
/// # Panics
/// If the shapes do not fit together or the mask does not fit them.
pub fn align(
    scores: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    dropout: Option<DropoutMask>,
) -> Attended {
    let [batch, heads, queries, keys] = scores.dims();
    let kv_heads = value.dims()[1];
    assert_eq!(
        [value.dims()[0], value.dims()[2]],
        [batch, keys],
        "value {:?} does not fit scores {:?}: batch and keys must agree",
        value.dims(),
        scores.dims()
    );
    assert_groups(heads, kv_heads);
    let (context, softmax) = if keys == 0 {
        nothing_to_see(&scores, &value)
    } else {
        let shape = AttentionShape { batch, heads, queries, keys };
        let visible = Visible::new(mask, shape, &scores);
        let softmax = visible.softmax(scores);
        (visible.average(softmax.weights.clone(), value, dropout), softmax)
    };
    Attended { context, weights: softmax.weights.clone(), log_sum_exp: softmax.log_sum_exp() }
}

fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> (Tensor<4>, Softmax) {
    let shape = check(&query, &key, &value, options);
    if shape.keys == 0 {
        return nothing_to_see(&query, &value);
    }
    let visible = Visible::new(mask, shape, &query);
    let softmax = visible.softmax(visible.scores(query, key, options)); // over [b, h, q, k]
    let context = visible.average(softmax.weights.clone(), value, options.dropout);
    (context, softmax)
}

/// Attention over no keys at all: every row is empty. Apart, because backends differ in what they
/// make of a product or a maximum over nothing.
fn nothing_to_see(rows: &Tensor<4>, value: &Tensor<4>) -> (Tensor<4>, Softmax) {
    let [b, h, q, _] = rows.dims();
    let [_, _, _, d] = value.dims();
    let options = (&rows.device(), rows.dtype());
    let softmax = Softmax {
        weights: Tensor::zeros([b, h, q, 0], options),
        max: Tensor::zeros([b, h, q, 1], options),
        sum: Tensor::ones([b, h, q, 1], options),
        empty: Tensor::full([b, h, q, 1], true, &rows.device()),
    };
    (Tensor::zeros([b, h, q, d], options), softmax)
}

/// The pairs that a mask lets through; all of them if there is no tensor.
struct Visible(Option<Tensor<4, Bool>>);

impl Visible {
    fn new(mask: &Mask, shape: AttentionShape, like: &Tensor<4>) -> Self {
        let device = like.device().without_autodiff();
        Self((!mask.is_open_for(&shape)).then(|| mask.lower(&shape, &device)))
    }

    /// The softmax over the visible scores; hidden weights are exactly 0.
    fn softmax(&self, scores: Tensor<4>) -> Softmax {
        let Some(visible) = self.0.clone() else { return Softmax::new(scores) };
        let hidden = visible.bool_not().expand(scores.dims());
        let softmax = Softmax::new(scores.mask_fill(hidden.clone(), f32::NEG_INFINITY));
        if all_finite(&softmax.sum) {
            return softmax;
        }
        // One visible NaN makes its whole row NaN, and the hidden keys must not have a part in it.
        Softmax { weights: softmax.weights.mask_fill(hidden, 0.0), ..softmax }
    }

    /// Scores of all pairs, `[b, h, q, k]`. What is not a number in a query or key reaches only the
    /// scores that are visible; neither the others nor any gradient.
    ///
    /// Hiding the score is not enough: the gradients of a product multiply a hidden pair's zero
    /// with the operand, and 0 · NaN is NaN.
    fn scores(&self, query: Tensor<4>, key: Tensor<4>, options: &AttendOptions) -> Tensor<4> {
        let Some(visible) = self.0.clone() else { return scores(query, key, options) };
        if all_finite(&query) && all_finite(&key) {
            return scores(query, key, options);
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
        let raw = scores(query.detach(), key.detach(), options);
        scores(clean_query, clean_key, options).mask_where(touched, raw)
    }

    /// `weights · value`, with dropout on the weights. A value that is not finite reaches only the
    /// queries that see it, as NaN.
    fn average(
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
                let factors = mask.tensor(dims, &device).cast(float_dtype(&weights));
                let factors =
                    if weights.is_autodiff() { Tensor::from_inner(factors) } else { factors };
                weights * factors
            }
        };
        let Some(visible) = self.0.clone().filter(|_| !all_finite(&value)) else {
            return grouped_matmul(weights, value);
        };
        let (clean, bad) = finite_part(value);
        let context = grouped_matmul(weights, clean);
        let seen = grouped_matmul(visible.expand(dims).float(), bad.float()); // [b, h, q, d]
        // Added, not filled in: what is finite in such a sum keeps its gradient.
        let poison = seen.zeros_like().mask_fill(seen.greater_elem(0.0), f32::NAN);
        context + poison
    }
}

/// `mask`-less scores: `soft-cap(scale · q·kᵀ) + bias`, `[b, h, q, k]`.
fn scores(query: Tensor<4>, key: Tensor<4>, options: &AttendOptions) -> Tensor<4> {
    let d = query.dims()[3];
    let scale = options.scale.unwrap_or_else(|| 1.0 / (d as f64).sqrt());
    // Scaling the query, not the scores, touches d instead of k numbers per row.
    let scores = grouped_matmul(query.mul_scalar(scale), key.transpose());
    let scores = match options.softcap {
        None => scores,
        Some(cap) => scores.div_scalar(cap).tanh().mul_scalar(cap),
    };
    match &options.bias {
        None => scores,
        Some(bias) => scores + bias.clone(),
    }
}

/// A softmax over the last dimension of which −∞ entries are no part.
struct Softmax {
    /// `[b, h, q, k]`
    weights: Tensor<4>,
    /// `[b, h, q, 1]`, 0 where a row is empty.
    max: Tensor<4>,
    /// `[b, h, q, 1]`, sum of `exp(score - max)`; 1 where a row is empty.
    sum: Tensor<4>,
    /// `[b, h, q, 1]`
    empty: Tensor<4, Bool>,
}

impl Softmax {
    /// Exponentials and sums are taken in f32 at least.
    fn new(scores: Tensor<4>) -> Self {
        let storage = float_dtype(&scores);
        let narrow = matches!(scores.dtype(), DType::F16 | DType::BF16);
        let scores = if narrow { scores.cast(FloatDType::F32) } else { scores };
        // The softmax does not depend on the shift, so no gradient passes through it.
        let max = scores.clone().detach().max_dim(3);
        // An empty row: −∞ − (−∞) would be NaN.
        let empty = max.clone().equal_elem(f32::NEG_INFINITY);
        let max = max.mask_fill(empty.clone(), 0.0);
        let exp = (scores - max.clone()).exp();
        let sum = exp.clone().sum_dim(3).mask_fill(empty.clone(), 1.0);
        let weights = exp / sum.clone();
        let weights = if narrow { weights.cast(storage) } else { weights };
        Self { weights, max, sum, empty }
    }

    /// `[b, h, q]`
    fn log_sum_exp(self) -> Tensor<3> {
        let lse = self.sum.log() + self.max;
        lse.mask_fill(self.empty, f32::NEG_INFINITY).squeeze_dim(3)
    }
}

/// `left · right` where heads of `left` share those of `right`: `[b, h, q, x] · [b, g, x, y]`.
///
/// The heads of a group are stacked as rows, so nothing of `right` is repeated.
fn grouped_matmul(left: Tensor<4>, right: Tensor<4>) -> Tensor<4> {
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

fn float_dtype(tensor: &Tensor<4>) -> FloatDType {
    tensor.dtype().into()
}

fn check(
    query: &Tensor<4>,
    key: &Tensor<4>,
    value: &Tensor<4>,
    options: &AttendOptions,
) -> AttentionShape {
    let [batch, heads, queries, d] = query.dims();
    let [_, kv_heads, keys, _] = key.dims();
    assert_eq!(
        key.dims(),
        [batch, kv_heads, keys, d],
        "key {:?} does not fit query {:?}: batch and head width must agree",
        key.dims(),
        query.dims()
    );
    assert_eq!(
        value.dims()[..3],
        key.dims()[..3],
        "value {:?} does not fit key {:?}: batch, heads and keys must agree",
        value.dims(),
        key.dims()
    );
    assert_groups(heads, kv_heads);
    if let Some(softcap) = options.softcap {
        assert!(softcap > 0.0, "soft-cap must be positive, got {softcap}");
    }
    let pairs = [batch, heads, queries, keys];
    if let Some(bias) = &options.bias {
        let fits = bias.dims().iter().zip(pairs).all(|(&size, full)| size == 1 || size == full);
        assert!(fits, "bias {:?} does not broadcast to scores {pairs:?}", bias.dims());
    }
    AttentionShape { batch, heads, queries, keys }
}

fn assert_groups(heads: usize, kv_heads: usize) {
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads do not split evenly over {kv_heads} key/value heads"
    );
}
