//! The scores of some queries.

use super::{bool_dtype, expand, fill, narrow, reshape};
use crate::attention::precision::cast;
use crate::attention::sizes::Sizes;
use crate::maybe::Maybe;
use crate::parameters::{Options, Visibility};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::TensorData;
use std::ops::Range;

/// How many scores are alive at once, if a single query has not more: 64 MiB of f32. Several
/// matrices of this size exist in the backward pass.
///
/// The tests of this crate have a few scores only, and must see several chunks.
const SCORES: usize = if cfg!(test) { 64 } else { 1 << 24 };

/// The ranges of queries that are taken together.
pub(super) fn chunks(sizes: &Sizes) -> impl Iterator<Item = Range<usize>> + use<> {
    let Sizes { batch, heads, queries, keys, .. } = *sizes;
    let step = (SCORES / (batch * heads * keys)).clamp(1, queries);
    (0..queries).step_by(step).map(move |first| first..queries.min(first + step))
}

/// Scores of the queries `rows`.
#[derive(Debug)]
pub(super) struct Scores<B: Backend> {
    /// `[batch, heads, rows, keys]`; −∞ where hidden.
    pub(super) scores: FloatTensor<B>,
    /// `tanh` of the scores before the cap, if there is one.
    pub(super) tanh: Option<FloatTensor<B>>,
    /// Broadcast to the scores; `None`: nothing is hidden.
    pub(super) hidden: Option<BoolTensor<B>>,
}

impl<B: Backend> Scores<B> {
    /// `query` and `bias` are whole.
    pub(super) fn new(
        query: &FloatTensor<B>,
        key: &FloatTensor<B>,
        bias: &Maybe<B>,
        rows: Range<usize>,
        sizes: &Sizes,
        options: &Options,
    ) -> Self {
        let Sizes { batch, heads, keys, .. } = *sizes;
        let dims = [batch, heads, rows.len(), keys];
        let query = narrow::<B>(query.clone(), 2, rows.clone());
        // Scaling the query, not the scores, touches d instead of keys numbers per row.
        let query = B::float_mul_scalar(query, options.scale.into());
        let scores =
            B::float_matmul(stack_groups::<B>(query, sizes), B::float_swap_dims(key.clone(), 2, 3)); // [b, g, r * c, k]
        let mut scores = reshape::<B, 4>(scores, dims);
        let mut tanh = None;
        if let Some(cap) = options.softcap {
            let capped = B::float_tanh(B::float_div_scalar(scores, cap.into()));
            scores = B::float_mul_scalar(capped.clone(), cap.into());
            tanh = Some(capped);
        }
        if let Some(bias) = bias.as_ref() {
            let bias = chunk_of_bias::<B>(bias.clone(), rows.clone());
            scores = B::float_add(scores, expand::<B>(bias, dims));
        }
        let mut hidden = None;
        if let Some(mask) = &options.mask {
            let lowered = lower_hidden::<B>(mask.as_ref(), rows, keys, &scores.device());
            scores = fill::<B>(scores, lowered.clone(), f64::NEG_INFINITY);
            hidden = Some(lowered);
        }
        Self { scores, tanh, hidden }
    }
}

/// `[b, h, c, x]` → `[b, g, h / g * c, x]`: the heads of a group as rows, so that nothing of the
/// keys and values that they share is repeated.
pub(super) fn stack_groups<B: Backend>(tensor: FloatTensor<B>, sizes: &Sizes) -> FloatTensor<B> {
    let [b, h, c, x] = tensor.shape().dims();
    reshape::<B, 4>(tensor, [b, sizes.kv_heads, h / sizes.kv_heads * c, x])
}

/// The part of the bias that is added to the scores of `rows`, still broadcast.
fn chunk_of_bias<B: Backend>(bias: FloatTensor<B>, rows: Range<usize>) -> FloatTensor<B> {
    if bias.shape()[2] == 1 { bias } else { narrow::<B>(bias, 2, rows) }
}

/// Which keys the queries `rows` do not see, of the mask's own dimensions.
fn lower_hidden<B: Backend>(
    mask: &dyn Visibility,
    rows: Range<usize>,
    keys: usize,
    device: &B::Device,
) -> BoolTensor<B> {
    let [batch, heads, queries, mask_keys] = mask.dims();
    let rows = if queries == 1 { 0..1 } else { rows };
    let keys = if mask_keys == 1 { 1 } else { keys };
    let dims = [batch, heads, rows.len(), keys];
    let mut hidden = Vec::with_capacity(dims.iter().product());
    for b in 0..batch {
        for h in 0..heads {
            for i in rows.clone() {
                for first in (0..keys).step_by(64) {
                    let bits = mask.bits(b, h, i, first);
                    hidden.extend((0..(keys - first).min(64)).map(|j| bits >> j & 1 == 0));
                }
            }
        }
    }
    let data = TensorData::new(hidden, dims).convert_dtype(bool_dtype::<B>(device).into());
    B::bool_from_data(data, device)
}

/// The factors of dropout for `rows`, `[batch, heads, rows, keys]`, in the type of `like`.
pub(super) fn dropout_factors<B: Backend>(
    rows: Range<usize>,
    sizes: &Sizes,
    options: &Options,
    like: &FloatTensor<B>,
) -> Option<FloatTensor<B>> {
    let mask = options.dropout?;
    let Sizes { batch, heads, queries, keys, .. } = *sizes;
    let dims = [batch, heads, rows.len(), keys];
    let mut kept = Vec::with_capacity(dims.iter().product());
    for head in 0..batch * heads {
        let first = head * queries;
        mask.extend_kept(&mut kept, first + rows.start..first + rows.end, keys);
    }
    let kept = B::float_from_data(TensorData::new(kept, dims), &like.device());
    Some(B::float_mul_scalar(cast::<B>(kept, like.dtype()), mask.kept_factor().into()))
}
