//! Attention whose weights are products of features, in time and memory that grow with the number
//! of keys, not with its square.
//!
//! With `weight(i, j) ∝ φ(q_i) · φ(k_j)`, the context is
//! `φ(q_i)ᵀ (Σ_j φ(k_j) v_jᵀ) / φ(q_i) · Σ_j φ(k_j)` (Katharopoulos et al. 2020, equations 4–5), and
//! the sums are the same for all queries that see the same keys.

use super::finite::select_rows;
use super::inputs::{Inputs, Visible, without};
use crate::Mask;
use crate::score::grouped;
use burn::tensor::{Bool, Int, Tensor};

/// A sum of weights up to this counts as none: the gradient of a division has its square, which
/// must not vanish in f32.
const TINY: f64 = 1.0e-18;

/// Below any logarithm of a feature that f32 holds.
const LOWEST: f64 = -1.0e30;

/// `φ`: what makes a product of features a weight.
///
/// Features must not be negative, as a sum of weights is what contexts are divided by.
pub trait FeatureMap {
    /// The name, for messages.
    fn name(&self) -> &'static str;

    /// `φ(q)`, each query's by any positive factor that does not depend on the gradient: it is
    /// divided away.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - result: `[batch, heads, queries, features]`
    fn of_queries(&self, query: Tensor<4>) -> Tensor<4>;

    /// `φ(k)`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d]`
    fn of_keys(&self, key: Tensor<4>) -> Features;
}

/// The features of keys, `exp(log_scale) · values`.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[batch, kv_heads, keys, features]`
    pub values: Tensor<4>,
    /// `[batch, kv_heads, keys, 1]`, without a gradient: kept apart so that nothing overflows, nor a
    /// key vanishes beside one that its query does not see. `None`: 0.
    pub log_scale: Option<Tensor<4>>,
}

impl Features {
    fn slice(&self, keys: std::ops::Range<usize>) -> Self {
        Self {
            values: self.values.clone().slice_dim(2, keys.clone()),
            log_scale: self.log_scale.clone().map(|scale| scale.slice_dim(2, keys)),
        }
    }

    /// No features where keys are hidden, `[b, g, k, 1]`.
    fn hide(self, hidden: Option<&Tensor<4, Bool>>) -> Self {
        let values = without(self.values, hidden);
        let log_scale = match (self.log_scale, hidden) {
            (Some(scale), Some(hidden)) => Some(scale.mask_fill(hidden.clone(), LOWEST)),
            (scale, _) => scale,
        };
        Self { values, log_scale }
    }
}

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
/// A query all of whose weights vanish in floating point attends to nothing: its context is 0.
///
/// # Shapes
/// As [`Mechanism::forward`](super::Mechanism::forward).
///
/// # Panics
/// If the shapes do not fit together, or the mask or the map does not fit them, or `chunk` is 0.
pub fn kernelised(
    map: &dyn FeatureMap,
    [query, key, value]: [Tensor<4>; 3],
    mask: &Mask,
    chunk: usize,
) -> Tensor<4> {
    assert!(chunk > 0, "{}: chunk must be at least 1, got 0", map.name());
    let inputs = match Inputs::new(map.name(), [query, key, value], mask, false) {
        Ok(inputs) => inputs,
        Err(nothing) => return *nothing,
    };
    let query = map.of_queries(inputs.query.clone()); // [b, h, q, m]
    let key = map.of_keys(inputs.key.clone());
    let value = with_one(inputs.value.clone());
    let sums = match &inputs.visible {
        Visible::Pairs(visible) => all_pairs(query, key, value, visible),
        Visible::Rows { causal, hidden } => {
            let key = key.hide(hidden.as_ref());
            let mut state = LinearState::start();
            if *causal {
                in_chunks(&mut state, query, &key, value, chunk)
            } else {
                state.write(&key, value);
                state.read(query)
            }
        }
    };
    inputs.finish(divide(sums))
}

/// Causal sums: keys before the first query, then chunks of queries and keys side by side.
fn in_chunks(
    state: &mut LinearState,
    query: Tensor<4>,
    key: &Features,
    value: Tensor<4>,
    chunk: usize,
) -> Tensor<4> {
    let [b, h, queries, _] = query.dims();
    let [_, _, keys, width] = value.dims();
    let before = keys.saturating_sub(queries);
    let blind = queries.saturating_sub(keys);
    if before > 0 {
        state.write(&key.slice(0..before), value.clone().slice_dim(2, 0..before));
    }
    let mut parts = Vec::new();
    if blind > 0 {
        parts.push(Tensor::zeros([b, h, blind, width], (&query.device(), query.dtype())));
    }
    for first in (blind..queries).step_by(chunk) {
        let steps = first..(first + chunk).min(queries);
        let rows = steps.start - blind + before..steps.end - blind + before;
        let query = query.clone().slice_dim(2, steps);
        let value = value.clone().slice_dim(2, rows.clone());
        parts.push(state.advance(query, &key.slice(rows), value));
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

/// The sums over all keys so far: what a decoder keeps instead of keys and values, however many
/// there were. Of size `features · (value_dim + 1)` for each key/value head.
#[derive(Clone, Debug, Default)]
pub struct LinearState {
    /// `Σ φ(k) [v, 1]ᵀ / exp(log_scale)`, `[b, g, m, value_dim + 1]`
    sums: Option<Tensor<4>>,
    /// `[b, g, 1, 1]`, of features that have one.
    log_scale: Option<Tensor<4>>,
    /// `[b, h, 1, 1]`: whether something that is not finite was seen.
    broken: Option<Tensor<4, Bool>>,
}

impl LinearState {
    /// No key yet.
    pub fn start() -> Self {
        Self::default()
    }

    /// The state of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            sums: self.sums.map(|x| x.select(0, rows.clone())),
            log_scale: self.log_scale.map(|x| x.select(0, rows.clone())),
            broken: self.broken.map(|broken| select_rows(broken, rows)),
        }
    }

    /// The contexts of the next queries, each of which sees all keys so far and its own; as many
    /// keys as queries, one or more.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, steps, d]`
    /// - `key`: `[batch, kv_heads, steps, d]`
    /// - `value`: `[batch, kv_heads, steps, value_dim]`
    /// - result: `[batch, heads, steps, value_dim]`
    ///
    /// # Panics
    /// If the shapes do not fit together or the steps before them, or the map does not fit them.
    pub fn step(
        &mut self,
        map: &dyn FeatureMap,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> Tensor<4> {
        assert_eq!(
            query.dims()[2],
            key.dims()[2],
            "{}: a step has as many queries as keys",
            map.name()
        );
        let inputs = match Inputs::new(map.name(), [query, key, value], &Mask::causal(), false) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let query = map.of_queries(inputs.query.clone());
        let key = map.of_keys(inputs.key.clone());
        let sums = self.advance(query, &key, with_one(inputs.value.clone()));
        inputs.finish_after(&mut self.broken, divide(sums))
    }

    /// Takes in keys; `value` with its one, `[b, g, n, value_dim + 1]`.
    fn write(&mut self, key: &Features, value: Tensor<4>) {
        let (values, decay) = match key.log_scale.clone() {
            None => (key.values.clone(), None),
            Some(scale) => {
                let largest = scale.clone().max_dim(2); // [b, g, 1, 1]
                let largest = match &self.log_scale {
                    None => largest,
                    Some(before) => largest.max_pair(before.clone()),
                };
                let decay = self.log_scale.take().map(|before| (before - largest.clone()).exp());
                self.log_scale = Some(largest.clone());
                (key.values.clone() * (scale - largest).exp(), decay)
            }
        };
        let sums = values.transpose().matmul(value); // [b, g, m, value_dim + 1]
        self.sums = Some(match (self.sums.take(), decay) {
            (None, _) => sums,
            (Some(before), None) => before + sums,
            (Some(before), Some(decay)) => before * decay + sums,
        });
    }

    /// What queries get of the keys so far: `[b, h, n, m]` → `[b, h, n, value_dim + 1]`.
    fn read(&self, query: Tensor<4>) -> Tensor<4> {
        let sums = self.sums.clone().expect("something was written");
        let [b, h, n, m] = query.dims();
        let [_, g, _, width] = sums.dims();
        query.reshape([b, g, h / g * n, m]).matmul(sums).reshape([b, h, n, width])
    }

    /// [`read`](Self::read) for queries that each come with a key, and see those up to theirs.
    fn advance(&mut self, query: Tensor<4>, key: &Features, value: Tensor<4>) -> Tensor<4> {
        let [b, h, n, m] = query.dims();
        let [_, g, _, width] = value.dims();
        let rows = h / g * n;
        let query = query.reshape([b, g, rows, m]);
        let plain = query.device().without_autodiff();
        // `tril_mask` is true where a key is hidden.
        let hidden = Tensor::<2, Bool>::tril_mask([n, n], 0, &plain).reshape([1, 1, n, n]);
        let of_group = |x: Tensor<4>| x.repeat_dim(2, h / g); // [b, g, n, _] → [b, g, rows, _]

        let weights = query.clone().matmul(key.values.clone().transpose()); // [b, g, rows, n]
        let hidden_rows = hidden.clone().repeat_dim(2, h / g).expand([b, g, rows, n]);
        let (weights, decay) = match key.log_scale.clone() {
            None => (weights, None),
            Some(scale) => {
                let so_far = match &self.log_scale {
                    None => scale.clone().cummax(2),
                    Some(before) => Tensor::cat(vec![before.clone(), scale.clone()], 2)
                        .cummax(2)
                        .slice_dim(2, 1..n + 1),
                }; // [b, g, n, 1]
                let decay = self.log_scale.clone().map(|before| (before - so_far.clone()).exp());
                let scale =
                    (scale.transpose() - so_far).mask_fill(hidden.expand([b, g, n, n]), LOWEST);
                (weights * of_group(scale.exp()), decay.map(of_group))
            }
        };
        let here = weights.mask_fill(hidden_rows, 0.0).matmul(value.clone());
        let sums = match (&self.sums, decay) {
            (None, _) => here,
            (Some(before), None) => here + query.matmul(before.clone()),
            (Some(before), Some(decay)) => here + query.matmul(before.clone()) * decay,
        };
        self.write(key, value);
        sums.reshape([b, h, n, width])
    }
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
