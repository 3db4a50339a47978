//! Attention whose weights are products of features, in time and memory that grow with the number
//! of keys, not with its square.
//!
//! With `weight(i, j) ∝ φ(q_i) · φ(k_j)`, the context is
//! `φ(q_i)ᵀ (Σ_j φ(k_j) v_jᵀ) / φ(q_i) · Σ_j φ(k_j)` (Katharopoulos et al. 2020, equations 4–5), and
//! the sums are the same for all queries that see the same keys.

mod features;
mod sums;

pub use features::{FeatureMap, Features};

use super::LinearState;
use super::inputs::{Inputs, Visible};
use super::linear_state::Sums;
use crate::Mask;
use crate::cut::{behind, cut};
use crate::score::grouped;
use burn::tensor::{Bool, Tensor};

/// A sum of weights up to this counts as none: the gradient of a division has its square, which
/// must not vanish in f32.
const TINY: f64 = 1.0e-18;

/// Below any logarithm of a feature that f32 holds.
const LOWEST: f64 = -1.0e30;

/// Attention by the features of `map`.
///
/// The mask decides the form. Let `m` be the number of features. All forms agree.
///
/// | mask | form | time | memory |
/// |---|---|---|---|
/// | keys only, or open | one sum for all queries | `(q + k) · m · value_dim` | `(q + k) · m` |
/// | causal, with or without the above | chunk by chunk: inside a chunk the weights, before it the sum | `(q + k) · m · value_dim + q · chunk · (m + value_dim)` | `(q + k) · m`; for a gradient also `k / chunk · m · value_dim` |
/// | anything else | all weights | `q · k · (m + value_dim)` | `q · k` |
///
/// A query whose weights, products of its features and those of keys, sum to 1e-18 or less attends
/// to nothing: its context is 0.
///
/// # Shapes
/// As [`Mechanism::forward`](super::Mechanism::forward).
///
/// # Panics
/// If the shapes do not fit together, or the mask or the map does not fit them, or `chunk` is 0.
pub fn kernelized(
    map: &dyn FeatureMap,
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    chunk: usize,
) -> Tensor<4> {
    assert!(chunk > 0, "{}: chunk must be at least 1, got 0", map.name());
    let inputs = match Inputs::new(map.name(), [query, key, value], mask, false) {
        Ok(inputs) => inputs,
        Err(nothing) => return *nothing,
    };
    let context = match &inputs.visible {
        Visible::Rows { .. } => by_sums(map, &inputs, &mut Sums::default(), chunk),
        Visible::Pairs(visible) => {
            let query = map.of_queries(inputs.query.clone()); // [b, h, q, m]
            let key = map.of_keys(inputs.key.clone());
            divide(all_pairs(query, key, with_one(inputs.value.clone()), visible))
        }
    };
    inputs.finish(context)
}

/// [`kernelized`] attention of queries, and as many keys, that follow those in `state`.
///
/// # Shapes
/// As [`Stepwise::step`](super::Stepwise::step).
///
/// # Panics
/// As [`kernelized`], or as [`Stepwise::step`](super::Stepwise::step).
pub fn kernelized_step(
    map: &dyn FeatureMap,
    state: &mut LinearState,
    [query, key, value]: [Tensor<4>; 3],
    mask: &Mask,
    chunk: usize,
) -> Tensor<4> {
    assert!(chunk > 0, "{}: chunk must be at least 1, got 0", map.name());
    state.step(
        map.name(),
        [query, key, value],
        mask,
        false,
        |inputs, sums| by_sums(map, inputs, sums, chunk),
        |[query, key, value]| kernelized(map, query, key, value, mask, chunk),
    )
}

/// Contexts from sums that keys are added to.
fn by_sums(map: &dyn FeatureMap, inputs: &Inputs, sums: &mut Sums, chunk: usize) -> Tensor<4> {
    let Visible::Rows { causal, hidden } = &inputs.visible else {
        panic!("{}: single pairs are not summed up", map.name())
    };
    let query = map.of_queries(inputs.query.clone()); // [b, h, q, m]
    let key = map.of_keys(inputs.key.clone()).hide(hidden.as_ref());
    let value = with_one(inputs.value.clone());
    divide(if *causal {
        in_chunks(sums, query, key, value, chunk)
    } else {
        sums.write(&key, value);
        sums.read(query)
    })
}

/// Causal sums: keys before the first query, then chunks of queries and keys side by side.
fn in_chunks(
    sums: &mut Sums,
    query: Tensor<4>,
    key: Features,
    value: Tensor<4>,
    chunk: usize,
) -> Tensor<4> {
    let [b, h, queries, _] = query.dims();
    let [_, _, keys, width] = value.dims();
    let before = keys.saturating_sub(queries);
    let blind = queries.saturating_sub(keys);
    if before > 0 {
        sums.write(&key.slice(0..before), value.clone().slice_dim(2, 0..before));
    }
    let mut parts = Vec::new();
    if blind > 0 {
        parts.push(Tensor::zeros([b, h, blind, width], (&query.device(), query.dtype())));
    }
    let queries = cut(behind(query, blind), chunk);
    let values = cut(behind(value, before), chunk);
    let keys = key.cut_behind(before, chunk);
    for ((query, key), value) in queries.into_iter().zip(keys).zip(values) {
        parts.push(sums.advance(query, &key, value));
    }
    Tensor::cat(parts, 2)
}

/// Sums of size queries × keys, for any mask.
fn all_pairs(
    query: Tensor<4>,
    key: Features,
    value: Tensor<4>,
    visible: &Tensor<4, Bool>,
) -> Tensor<4> {
    let [b, h, q, k] = visible.dims();
    let [_, g, _, width] = value.dims();
    let hidden = visible.clone().bool_not();
    let weights = grouped(query, key.values, |query, key| query.matmul(key.transpose()));
    let weights = match key.log_scale {
        None => weights,
        Some(scale) => {
            let scale = scale.reshape([b, g, 1, 1, k]).expand([b, g, h / g, 1, k]);
            let scale = scale.reshape([b, h, 1, k]).expand([b, h, q, k]);
            let scale = scale.mask_fill(hidden.clone(), LOWEST);
            let largest = scale.clone().max_dim(3); // [b, h, q, 1]
            weights * (scale - largest).exp()
        }
    };
    let weights = weights.mask_fill(hidden, 0.0);
    weights.reshape([b, g, h / g * q, k]).matmul(value).reshape([b, h, q, width])
}

/// Values with a column of ones, which sums the weights.
pub(super) fn with_one(value: Tensor<4>) -> Tensor<4> {
    let [b, g, k, _] = value.dims();
    let ones = Tensor::ones([b, g, k, 1], (&value.device(), value.dtype()));
    Tensor::cat(vec![value, ones], 3)
}

/// `[b, h, q, value_dim + 1]` → `[b, h, q, value_dim]`: by the last column, or 0 if that is.
pub(super) fn divide(sums: Tensor<4>) -> Tensor<4> {
    let [b, h, q, width] = sums.dims();
    let weight = sums.clone().slice_dim(3, width - 1..width);
    let none = weight.clone().detach().lower_equal_elem(TINY); // [b, h, q, 1]
    let context = sums.slice_dim(3, 0..width - 1) / weight.mask_fill(none.clone(), 1.0);
    context.mask_fill(none.expand([b, h, q, width - 1]), 0.0)
}
