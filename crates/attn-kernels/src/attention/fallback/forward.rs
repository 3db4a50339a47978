//! The forward pass.

use super::chunk::{Scores, chunks, dropout_factors, stack_groups};
use super::{bool_dtype, expand, fill, finite_part, not_finite, reshape};
use crate::attention::precision::{cast, widen};
use crate::attention::sizes::Sizes;
use crate::attention::tensors::Inputs;
use crate::parameters::Options;
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{FloatDType, Shape};
use std::ops::Range;

/// Context `[batch, heads, queries, value_dim]` and statistics `[2, batch, heads, queries]`.
pub(in crate::attention) fn forward<B: Backend>(
    inputs: Inputs<B>,
    options: &Options,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let storage = inputs.query.dtype();
    let sizes = Sizes::of(&inputs);
    let inputs = widen(inputs);
    let (context, statistics) = if sizes.is_empty() {
        empty_attention(&inputs, &sizes)
    } else {
        chunked(&inputs, &sizes, options)
    };
    (cast::<B>(context, storage), statistics)
}

/// The values, safe to be multiplied with hidden weights of zero.
struct Values<B: Backend> {
    clean: FloatTensor<B>,
    /// `[batch, kv_heads, keys, 1]`, 1 for a value that is not finite; `None`: nothing is hidden.
    bad: Option<FloatTensor<B>>,
}

impl<B: Backend> Values<B> {
    fn new(value: FloatTensor<B>, masked: bool) -> Self {
        if !masked {
            return Self { clean: value, bad: None };
        }
        let dtype = FloatDType::from(value.dtype());
        let bad = B::bool_any_dim(not_finite::<B>(value.clone()), 3);
        Self { clean: finite_part::<B>(value), bad: Some(B::bool_into_float(bad, dtype)) }
    }
}

fn chunked<B: Backend>(
    inputs: &Inputs<B>,
    sizes: &Sizes,
    options: &Options,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let values = Values::<B>::new(inputs.value.clone(), options.mask.is_some());
    let (mut contexts, mut statistics) = (Vec::new(), Vec::new());
    for rows in chunks(sizes) {
        let (context, of_rows) = chunk(inputs, &values, rows, sizes, options);
        contexts.push(context);
        statistics.push(of_rows);
    }
    (concatenate::<B>(contexts, 2), concatenate::<B>(statistics, 3))
}

/// Of the queries `rows`.
fn chunk<B: Backend>(
    inputs: &Inputs<B>,
    values: &Values<B>,
    rows: Range<usize>,
    sizes: &Sizes,
    options: &Options,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let Sizes { batch, heads, value_dim, .. } = *sizes;
    let Scores { scores, hidden, .. } =
        Scores::new(&inputs.query, &inputs.key, &inputs.bias, rows.clone(), sizes, options);
    let dims = scores.shape().dims::<4>();
    let column = [batch, heads, rows.len(), 1];
    let bools = bool_dtype::<B>(&scores.device());

    let mut max = B::float_max_dim(scores.clone(), 3);
    let sink = inputs.sink.as_ref().map(|sink| {
        let sink = expand::<B>(reshape::<B, 4>(sink.clone(), [1, heads, 1, 1]), column);
        let above = B::float_greater(sink.clone(), max.clone(), bools);
        max = B::float_mask_where(max.clone(), above, sink.clone());
        sink
    });
    // An empty row: −∞ − (−∞) would be NaN.
    let empty = B::float_equal_elem(max.clone(), f64::NEG_INFINITY.into(), bools);
    let max = B::float_mask_fill(max, empty.clone(), 0.0.into());
    let exp = B::float_exp(B::float_sub(scores, expand::<B>(max.clone(), dims)));
    let mut sum = B::float_sum_dim(exp.clone(), 3);
    if let Some(sink) = sink {
        sum = B::float_add(sum, B::float_exp(B::float_sub(sink, max.clone())));
    }
    let sum = B::float_mask_fill(sum, empty.clone(), 1.0.into());

    let weights = match dropout_factors::<B>(rows.clone(), sizes, options, &exp) {
        None => exp,
        Some(factors) => B::float_mul(exp, factors),
    };
    let weights = stack_groups::<B>(weights, sizes); // [b, g, r * c, k]
    let context = B::float_matmul(weights, values.clean.clone());
    let averages = [batch, heads, rows.len(), value_dim];
    let context = reshape::<B, 4>(context, averages);
    let mut context = B::float_div(context, expand::<B>(sum.clone(), averages));
    if let (Some(hidden), Some(bad)) = (hidden, &values.bad) {
        context = fill::<B>(context, sees::<B>(hidden, bad.clone(), rows.len(), sizes), f64::NAN);
    }

    let log_sum = B::float_log(sum);
    let log_sum_exp = B::float_add(log_sum.clone(), max.clone());
    let remainder = B::float_add(B::float_sub(max, log_sum_exp.clone()), log_sum);
    let log_sum_exp = B::float_mask_fill(log_sum_exp, empty, f64::NEG_INFINITY.into());
    (context, statistics::<B>(log_sum_exp, remainder, [1, batch, heads, rows.len()]))
}

/// One behind the other.
fn statistics<B: Backend>(
    log_sum_exp: FloatTensor<B>,
    remainder: FloatTensor<B>,
    dims: [usize; 4],
) -> FloatTensor<B> {
    B::float_cat([log_sum_exp, remainder].map(|part| reshape::<B, 4>(part, dims)).into(), 0)
}

/// Which queries see one of the keys that are marked with 1, `[batch, heads, rows, 1]`.
fn sees<B: Backend>(
    hidden: BoolTensor<B>,
    marked: FloatTensor<B>,
    rows: usize,
    sizes: &Sizes,
) -> BoolTensor<B> {
    let Sizes { batch, heads, kv_heads, keys, .. } = *sizes;
    let per_head = hidden.shape()[1] > 1;
    let mask_heads = if per_head { heads } else { kv_heads };
    let visible = B::bool_into_float(B::bool_not(hidden), FloatDType::from(marked.dtype()));
    let visible = expand::<B>(visible, [batch, mask_heads, rows, keys]);
    let seen = B::float_matmul(stack_groups::<B>(visible, sizes), marked);
    let group = if per_head { 1 } else { sizes.group() };
    let seen = reshape::<B, 5>(seen, [batch, mask_heads, 1, rows, 1]);
    let seen = B::float_expand(seen, [batch, mask_heads, group, rows, 1].into());
    let seen = reshape::<B, 4>(seen, [batch, heads, rows, 1]);
    let bools = bool_dtype::<B>(&seen.device());
    B::float_greater_elem(seen, 0.0.into(), bools)
}

/// Chunks of queries, whole again.
fn concatenate<B: Backend>(mut chunks: Vec<FloatTensor<B>>, dim: usize) -> FloatTensor<B> {
    match chunks.len() {
        1 => chunks.remove(0),
        _ => B::float_cat(chunks, dim),
    }
}

/// Attention over no keys, or of no queries: apart, because backends differ in what they make of a
/// product or a maximum over nothing.
fn empty_attention<B: Backend>(
    inputs: &Inputs<B>,
    sizes: &Sizes,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let Sizes { batch, heads, queries, value_dim, .. } = *sizes;
    let device = inputs.query.device();
    let dtype = FloatDType::from(inputs.query.dtype());
    let context = B::float_zeros([batch, heads, queries, value_dim].into(), &device, dtype);
    let rows = Shape::from([batch, heads, queries]);
    let log_sum_exp = match inputs.sink.as_ref() {
        Some(sink) if rows.num_elements() > 0 => {
            B::float_expand(reshape::<B, 3>(sink.clone(), [1, heads, 1]), rows)
        }
        _ => B::float_full(rows, f64::NEG_INFINITY.into(), &device, dtype),
    };
    let remainder = B::float_zeros([batch, heads, queries].into(), &device, dtype);
    (context, statistics::<B>(log_sum_exp, remainder, [1, batch, heads, queries]))
}
