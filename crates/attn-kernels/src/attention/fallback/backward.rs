//! The backward pass (Dao et al. 2022, appendix B.2): scores once more, then
//!
//! ```text
//! p_j = exp(s_j - lse)                        g_j = f_j (do · v_j) - D + dlse,   D = do · o
//! dv_j += f_j p_j do                          ds_j = p_j g_j,   dbias += ds_j
//! dz_j = ds_j (1 - tanh²) scale               dq += dz_j k_j,   dk_j += dz_j q
//! dsink += exp(sink - lse) (dlse - D)
//! ```

use super::chunk::{Scores, chunks, dropout_factors, stack_groups};
use super::{bool_dtype, expand, fill, finite_part, narrow, not_finite, reshape};
use crate::attention::precision::{Storage, cast, compute_dtype, widen};
use crate::attention::sizes::Sizes;
use crate::attention::tensors::{Gradients, Inputs};
use crate::maybe::Maybe;
use crate::parameters::Options;
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::FloatDType;
use std::ops::Range;

/// What the forward pass returned, and the gradients that reached it.
#[derive(Clone, Debug)]
pub(in crate::attention) struct Saved<B: Backend> {
    /// `[batch, heads, queries, value_dim]`
    pub(in crate::attention) context: FloatTensor<B>,
    /// `[2, batch, heads, queries]`
    pub(in crate::attention) statistics: FloatTensor<B>,
    pub(in crate::attention) grad_context: Maybe<B>,
    pub(in crate::attention) grad_log_sum_exp: Maybe<B>,
}

/// Gradients of the inputs; that of the bias only on request.
pub(in crate::attention) fn backward<B: Backend>(
    inputs: Inputs<B>,
    saved: Saved<B>,
    bias_gradient: bool,
    options: &Options,
) -> Gradients<B> {
    let storage = Storage::of(&inputs);
    let sizes = Sizes::of(&inputs);
    let dtype = compute_dtype(inputs.query.dtype());
    let inputs = widen(inputs);
    let saved = Saved {
        context: cast::<B>(saved.context, dtype),
        statistics: saved.statistics,
        grad_context: saved.grad_context.map(|gradient| cast::<B>(gradient, dtype)),
        grad_log_sum_exp: saved.grad_log_sum_exp,
    };
    let clean = Clean::new(&inputs, options.mask.is_some());
    let mut sums = Sums::zeros(&inputs, bias_gradient);
    if sizes.is_empty() {
        if sizes.keys == 0 && sizes.batch * sizes.heads * sizes.queries > 0 {
            let rows = Rows::new(&saved, 0..sizes.queries, &sizes, false);
            sums.add_sink(&inputs.sink, &rows, &sizes);
        }
    } else {
        for rows in chunks(&sizes) {
            chunk(&inputs, &clean, &saved, rows, &sizes, options, &mut sums);
        }
    }
    storage.narrow(sums.finish(&inputs, &sizes))
}

/// Operands of products with hidden zeros: 0 · NaN is NaN.
struct Clean<B: Backend> {
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
}

impl<B: Backend> Clean<B> {
    fn new(inputs: &Inputs<B>, masked: bool) -> Self {
        let clean = |tensor: &FloatTensor<B>| match masked {
            true => finite_part::<B>(tensor.clone()),
            false => tensor.clone(),
        };
        Self { query: clean(&inputs.query), key: clean(&inputs.key), value: clean(&inputs.value) }
    }
}

/// What is saved of some queries; all tensors `[batch, heads, rows, _]`.
struct Rows<B: Backend> {
    log_sum_exp: FloatTensor<B>,
    /// What rounding has left of it.
    remainder: FloatTensor<B>,
    grad_context: Option<FloatTensor<B>>,
    /// What is subtracted from the gradient of each weight, `D`.
    dot: Option<FloatTensor<B>>,
    grad_log_sum_exp: Option<FloatTensor<B>>,
    /// Queries of which something is not finite, if there is a mask. All that is above is clean of
    /// it, so that it does not reach a key that is hidden from them.
    bad: Option<BoolTensor<B>>,
}

impl<B: Backend> Rows<B> {
    fn new(saved: &Saved<B>, rows: Range<usize>, sizes: &Sizes, masked: bool) -> Self {
        let of = |tensor: &FloatTensor<B>| narrow::<B>(tensor.clone(), 2, rows.clone());
        let column = |tensor: &FloatTensor<B>| {
            reshape::<B, 4>(of(tensor), [sizes.batch, sizes.heads, rows.len(), 1])
        };
        let mut context = of(&saved.context);
        let statistic = |index: usize| {
            let half = narrow::<B>(saved.statistics.clone(), 0, index..index + 1);
            let half = narrow::<B>(half, 3, rows.clone());
            reshape::<B, 4>(half, [sizes.batch, sizes.heads, rows.len(), 1])
        };
        let (log_sum_exp, remainder) = (statistic(0), statistic(1));
        let mut grad_context = saved.grad_context.as_ref().map(of);
        let mut grad_log_sum_exp = saved.grad_log_sum_exp.as_ref().map(column);

        let mut bad = None;
        if masked {
            let rows =
                |tensor: &FloatTensor<B>| B::bool_any_dim(not_finite::<B>(tensor.clone()), 3);
            // The −∞ of an empty row is as it should be.
            let exp = fill::<B>(log_sum_exp.clone(), is_empty::<B>(&log_sum_exp), 0.0);
            let some =
                [Some(&context), Some(&exp), grad_context.as_ref(), grad_log_sum_exp.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(rows)
                    .reduce(B::bool_or);
            if let Some(some) = some {
                context = fill::<B>(context, some.clone(), 0.0);
                grad_context = grad_context.map(|tensor| fill::<B>(tensor, some.clone(), 0.0));
                grad_log_sum_exp =
                    grad_log_sum_exp.map(|tensor| fill::<B>(tensor, some.clone(), 0.0));
                bad = Some(some);
            }
        }
        let dot = grad_context
            .as_ref()
            .map(|gradient| B::float_sum_dim(B::float_mul(gradient.clone(), context), 3));
        Self { log_sum_exp, remainder, grad_context, dot, grad_log_sum_exp, bad }
    }

    /// `dlse - D`
    fn shift(&self) -> Option<FloatTensor<B>> {
        match (self.grad_log_sum_exp.clone(), self.dot.clone()) {
            (Some(gradient), Some(dot)) => Some(B::float_sub(gradient, dot)),
            (Some(gradient), None) => Some(gradient),
            (None, dot) => dot.map(B::float_neg),
        }
    }
}

/// Which rows see nothing.
fn is_empty<B: Backend>(log_sum_exp: &FloatTensor<B>) -> BoolTensor<B> {
    let bools = bool_dtype::<B>(&log_sum_exp.device());
    B::float_equal_elem(log_sum_exp.clone(), f64::NEG_INFINITY.into(), bools)
}

/// Gradients so far.
struct Sums<B: Backend> {
    /// Of the chunks seen, in order.
    query: Vec<FloatTensor<B>>,
    key: Option<FloatTensor<B>>,
    value: Option<FloatTensor<B>>,
    /// Of the chunks seen, in order; or one sum, if the bias does not depend on the query.
    bias: Option<Vec<FloatTensor<B>>>,
    /// `[1, heads, 1, 1]`
    sink: Option<FloatTensor<B>>,
}

fn chunk<B: Backend>(
    inputs: &Inputs<B>,
    clean: &Clean<B>,
    saved: &Saved<B>,
    range: Range<usize>,
    sizes: &Sizes,
    options: &Options,
    sums: &mut Sums<B>,
) {
    let Sizes { batch, heads, d, .. } = *sizes;
    let Scores { scores, tanh, hidden } =
        Scores::new(&inputs.query, &inputs.key, &inputs.bias, range.clone(), sizes, options);
    let dims = scores.shape().dims::<4>();
    let rows = Rows::new(saved, range.clone(), sizes, hidden.is_some());
    sums.add_sink(&inputs.sink, &rows, sizes);

    let log_sum_exp = fill::<B>(rows.log_sum_exp.clone(), is_empty::<B>(&rows.log_sum_exp), 0.0);
    let scores = B::float_sub(scores, expand::<B>(log_sum_exp, dims));
    let remainder = expand::<B>(rows.remainder.clone(), dims);
    let mut weights = B::float_exp(B::float_sub(scores, remainder));
    if let (Some(bad), Some(hidden)) = (&rows.bad, &hidden) {
        weights = fill::<B>(weights, bad.clone(), f64::NAN);
        weights = fill::<B>(weights, hidden.clone(), 0.0);
    }

    let mut gradient = rows.shift().map(|shift| expand::<B>(shift, dims)); // of the weights
    if let Some(grad_context) = rows.grad_context {
        let factors = dropout_factors::<B>(range.clone(), sizes, options, &weights);
        let grad_context = stack_groups::<B>(grad_context, sizes); // [b, g, r * c, value_dim]
        let value = B::float_swap_dims(clean.value.clone(), 2, 3);
        let mut through = reshape::<B, 4>(B::float_matmul(grad_context.clone(), value), dims);
        let mut dropped = weights.clone();
        if let Some(factors) = factors {
            through = B::float_mul(through, factors.clone());
            dropped = B::float_mul(dropped, factors);
        }
        gradient = Some(match gradient {
            Some(shift) => B::float_add(through, shift),
            None => through,
        });
        let dropped = B::float_swap_dims(stack_groups::<B>(dropped, sizes), 2, 3);
        add::<B>(&mut sums.value, B::float_matmul(dropped, grad_context));
    }
    let Some(gradient) = gradient else { return };
    let mut scores = B::float_mul(weights, gradient);
    sums.add_bias(&inputs.bias, &scores);
    if let Some(tanh) = tanh {
        let slope = B::float_sub_scalar(B::float_mul(tanh.clone(), tanh), 1.0.into()); // negative
        scores = B::float_neg(B::float_mul(scores, slope));
        // A hidden product may be anything.
        if let Some(hidden) = hidden {
            scores = fill::<B>(scores, hidden, 0.0);
        }
    }
    let products = stack_groups::<B>(B::float_mul_scalar(scores, options.scale.into()), sizes);
    let query = B::float_matmul(products.clone(), clean.key.clone());
    sums.query.push(reshape::<B, 4>(query, [batch, heads, range.len(), d]));
    let query = stack_groups::<B>(narrow::<B>(clean.query.clone(), 2, range), sizes);
    add::<B>(&mut sums.key, B::float_matmul(B::float_swap_dims(products, 2, 3), query));
}

impl<B: Backend> Sums<B> {
    fn zeros(inputs: &Inputs<B>, bias_gradient: bool) -> Self {
        let bias = (bias_gradient && inputs.bias.as_ref().is_some()).then(Vec::new);
        Self { query: Vec::new(), key: None, value: None, bias, sink: None }
    }

    /// From the gradient of the scores of a chunk.
    fn add_bias(&mut self, bias: &Maybe<B>, scores: &FloatTensor<B>) {
        let (Some(sums), Some(bias)) = (&mut self.bias, bias.as_ref()) else { return };
        let dims = bias.shape().dims::<4>();
        let gradient = (0..4)
            .filter(|&dim| dims[dim] == 1 && scores.shape()[dim] > 1)
            .fold(scores.clone(), |gradient, dim| B::float_sum_dim(gradient, dim));
        match sums.pop() {
            Some(sum) if dims[2] == 1 => sums.push(B::float_add(sum, gradient)),
            last => sums.extend(last.into_iter().chain([gradient])),
        }
    }

    fn add_sink(&mut self, sink: &Maybe<B>, rows: &Rows<B>, sizes: &Sizes) {
        let (Some(sink), Some(shift)) = (sink.as_ref(), rows.shift()) else { return };
        let column = rows.log_sum_exp.shape().dims::<4>();
        let sink = expand::<B>(reshape::<B, 4>(sink.clone(), [1, sizes.heads, 1, 1]), column);
        let empty = is_empty::<B>(&rows.log_sum_exp);
        let sink = B::float_sub(sink, rows.log_sum_exp.clone());
        let weight = B::float_exp(B::float_sub(sink, rows.remainder.clone()));
        let mut gradient = B::float_mul(weight, shift);
        if let Some(bad) = &rows.bad {
            gradient = fill::<B>(gradient, bad.clone(), f64::NAN);
        }
        let gradient = fill::<B>(gradient, empty, 0.0);
        add::<B>(&mut self.sink, B::float_sum_dim(B::float_sum_dim(gradient, 2), 0));
    }

    fn finish(self, inputs: &Inputs<B>, sizes: &Sizes) -> Gradients<B> {
        let concatenate = |mut chunks: Vec<FloatTensor<B>>| match chunks.len() {
            0 | 1 => chunks.pop(),
            _ => Some(B::float_cat(chunks, 2)),
        };
        let bias = self.bias.zip(inputs.bias.as_ref());
        let sink = inputs.sink.as_ref().map(|sink| {
            let gradient = self.sink.map(|sum| reshape::<B, 1>(sum, [sizes.heads]));
            or_zeros::<B>(gradient, sink)
        });
        Gradients {
            query: or_zeros::<B>(concatenate(self.query), &inputs.query),
            key: or_zeros::<B>(self.key, &inputs.key),
            value: or_zeros::<B>(self.value, &inputs.value),
            bias: Maybe::from_option(
                bias.map(|(sums, bias)| or_zeros::<B>(concatenate(sums), bias)),
            ),
            sink: Maybe::from_option(sink),
        }
    }
}

fn add<B: Backend>(sum: &mut Option<FloatTensor<B>>, term: FloatTensor<B>) {
    *sum = Some(match sum.take() {
        None => term,
        Some(sum) => B::float_add(sum, term),
    });
}

fn or_zeros<B: Backend>(gradient: Option<FloatTensor<B>>, like: &FloatTensor<B>) -> FloatTensor<B> {
    gradient.unwrap_or_else(|| {
        B::float_zeros(like.shape(), &like.device(), FloatDType::from(like.dtype()))
    })
}
