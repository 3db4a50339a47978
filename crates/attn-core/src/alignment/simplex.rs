//! What alignments share whose weights are a solved point of the simplex, or one of its corners.

use super::Scores;
use super::range::range;
use burn::tensor::{Bool, Tensor};

/// The scores less the largest visible one of their row, −∞ where hidden; the row of a query that
/// sees no key is −∞ throughout. No gradient passes.
pub(super) fn below_maximum(scores: &Scores<'_>) -> Tensor<4> {
    let visible = scores.hidden_as(f64::NEG_INFINITY).detach();
    let max = visible.clone().max_dim(3); // [b, h, q, 1]
    // A blind row: −∞ − (−∞) would be NaN.
    let blind = max.clone().equal_elem(f32::NEG_INFINITY);
    visible - max.mask_fill(blind, 0.0)
}

/// 1, 2, … in the dtype of a tensor `[b, h, q, k]`, expanded to its shape.
pub(super) fn ranks(like: &Tensor<4>) -> Tensor<4> {
    let [.., keys] = like.dims();
    range(1..keys as i64 + 1, like).reshape([1, 1, 1, keys]).expand(like.dims())
}

/// 1 where a condition holds and 0 elsewhere, in the dtype of a tensor.
pub(super) fn indicator(condition: Tensor<4, Bool>, like: &Tensor<4>) -> Tensor<4> {
    like.zeros_like().mask_fill(condition, 1.0)
}

/// Each row over its sum; a row of zeros stays one.
pub(super) fn normalize(rows: Tensor<4>) -> Tensor<4> {
    let sum = rows.clone().sum_dim(3); // [b, h, q, 1]
    let empty = sum.clone().equal_elem(0.0);
    rows / sum.mask_fill(empty, 1.0)
}

/// Weights `p` as a function of the scores, with the Jacobian `diag(g) - g gᵀ / Σ g`: that of every
/// α-entmax, with `g = p^(2 - α)` on the support and 0 elsewhere (Peters et al. 2019; for sparsemax,
/// Martins & Astudillo 2016, section 2.5).
///
/// # Shapes
/// - `p`, `g` and result: `[batch, heads, queries, keys]`; `p` and `g` finite, without gradient
pub(super) fn with_jacobian(scores: &Scores<'_>, p: Tensor<4>, g: Tensor<4>) -> Tensor<4> {
    // 0, and its gradient is 1: so the value is untouched, to the bit.
    let moved = scores.values.clone() - scores.values.clone().detach();
    let mean = (normalize(g.clone()) * moved.clone()).sum_dim(3); // [b, h, q, 1]
    // `moved` and so its mean are 0; only their gradients are not.
    p + g * (moved - mean)
}

/// 1 for the first key of each row that qualifies and 0 for all others; zeros where none does.
pub(super) fn first_of(candidates: Tensor<4, Bool>, like: &Tensor<4>) -> Tensor<4> {
    let ranks = ranks(like);
    let none = like.dims()[3] as f64 + 1.0;
    let first = ranks.clone().mask_fill(candidates.bool_not(), none).min_dim(3); // [b, h, q, 1]
    indicator(ranks.equal(first.expand(like.dims())), like)
}

/// 1 for the visible key of each row that scores best, the first of equals, and 0 for all others.
pub(super) fn most_probable(scores: &Scores<'_>) -> Tensor<4> {
    let below = below_maximum(scores);
    first_of(below.clone().equal_elem(0.0), &below)
}

/// Constant weights of which a loss can be differentiated; the gradient is 0.
pub(super) fn constant(scores: &Scores<'_>, weights: Tensor<4>) -> Tensor<4> {
    scores.values.clone().mul_scalar(0.0) + weights
}
