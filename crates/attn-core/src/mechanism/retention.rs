//! Retention.

use super::finite::select_rows;
use super::inputs::{Inputs, Visible};
use super::{Mechanism, MechanismError};
use crate::Mask;
use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Retention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// How many queries are computed at a time. Does not change the answer.
    pub chunk: usize,
}

impl Default for RetentionConfig {
    /// Chunks of 64, about the width of a head.
    fn default() -> Self {
        Self { chunk: 64 }
    }
}

impl RetentionConfig {
    /// Retention in chunks of 64.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another size of chunks.
    pub fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk }
    }

    /// # Errors
    /// If the chunk is zero.
    pub fn validate(&self) -> Result<(), MechanismError> {
        MechanismError::check_sizes("retention", &[("chunk", self.chunk)])
    }

    /// The mechanism.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> Retention {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Retention { chunk: self.chunk }
    }
}

/// Retention, Sun et al. (2023), equations 5–7: `Σ_j γ^(p - j) (q · k_j) v_j` for a query at
/// position `p`, with `γ = 1 - 2^(-5 - h)` in query head `h`. A weighted sum, not an average.
///
/// It has nothing learned. Of the paper's layer it is the sum alone: rotary positions, the scale
/// `1 / √d`, group norm and gate belong to what is around it.
///
/// Distance decides the decay, on both sides: where a mask lets a query see a key behind it, the
/// weight has `γ^|p - j|` (Fan et al. 2024, equation 3). A hidden key writes nothing, but the
/// distance across it counts.
///
/// | mask | form | time | memory |
/// |---|---|---|---|
/// | causal, also with a mask of keys | chunks, and the sum of those before | `(q + k) · d · value_dim + q · chunk · (d + value_dim)` | `q + k`; for a gradient also `k / chunk · d · value_dim` |
/// | keys only, or open | the same forwards and backwards | twice that | the same |
/// | anything else | all weights | `q · k · (d + value_dim)` | `q · k` |
///
/// A decoder keeps a [`RetentionState`], whose size does not grow. What it gives up: softmax, and
/// with it any choice of how long something is remembered. The keys of grouped queries are repeated,
/// as each query head has its own decay.
#[derive(Module, Debug)]
pub struct Retention {
    chunk: usize,
}

impl Mechanism for Retention {
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        let inputs = match Inputs::new("retention", [query, key, value], mask, true) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let [query, key, value] = [&inputs.query, &inputs.key, &inputs.value].map(Tensor::clone);
        let context = match &inputs.visible {
            Visible::Pairs(visible) => all_pairs(query, key, value, visible),
            Visible::Rows { causal: true, .. } => self.forwards(query, key, value),
            Visible::Rows { causal: false, .. } => {
                let behind = self.backwards(query.clone(), key.clone(), value.clone());
                self.forwards(query, key, value) + behind
            }
        };
        inputs.finish(context)
    }
}

impl Retention {
    /// Each query's own key and those before it.
    fn forwards(&self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        let [b, h, queries, _] = query.dims();
        let [_, _, keys, width] = value.dims();
        let before = keys.saturating_sub(queries);
        let blind = queries.saturating_sub(keys);
        let mut state = None;
        if before > 0 {
            let [key, value] = [&key, &value].map(|x| x.clone().slice_dim(2, 0..before));
            let decays = to_end(before, &key);
            state = Some((key * decays).transpose().matmul(value));
        }
        let [key, value] = [key, value].map(|x| x.slice_dim(2, before..keys));
        let seeing = query.slice_dim(2, blind..queries);
        let context = self.in_chunks(&mut state, seeing, key, value, Own::Seen);
        if blind == 0 {
            return context;
        }
        let zeros = Tensor::zeros([b, h, blind, width], (&context.device(), context.dtype()));
        Tensor::cat(vec![zeros, context], 2)
    }

    /// The keys behind each query.
    fn backwards(&self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        let queries = query.dims()[2];
        // The last keys, one for each query; before the first key, nothing.
        let beside = |x: Tensor<4>| {
            let [b, h, keys, width] = x.dims();
            if queries <= keys {
                return x.slice_dim(2, keys - queries..keys);
            }
            let zeros = Tensor::zeros([b, h, queries - keys, width], (&x.device(), x.dtype()));
            Tensor::cat(vec![zeros, x], 2)
        };
        let [query, key, value] = [query, beside(key), beside(value)].map(|x| x.flip([2]));
        self.in_chunks(&mut None, query, key, value, Own::Hidden).flip([2])
    }

    /// As many queries as keys, side by side; `state` is the sum before them, `[b, h, d, value_dim]`.
    fn in_chunks(
        &self,
        state: &mut Option<Tensor<4>>,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        own: Own,
    ) -> Tensor<4> {
        let steps = query.dims()[2];
        let mut powers = Powers::new(self.chunk.min(steps), &query, own);
        let mut parts = Vec::new();
        for first in (0..steps).step_by(self.chunk) {
            let range = first..(first + self.chunk).min(steps);
            if range.len() < powers.steps {
                powers = Powers::new(range.len(), &query, own);
            }
            let [q, k, v] = [&query, &key, &value].map(|x| x.clone().slice_dim(2, range.clone()));
            parts.push(advance(state, q, k, v, &powers));
        }
        Tensor::cat(parts, 2)
    }
}

/// Whether a query sees the key at its own position.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    Seen,
    Hidden,
}

/// One chunk: its own keys by their weights, those before it by their sum.
fn advance(
    state: &mut Option<Tensor<4>>,
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    powers: &Powers,
) -> Tensor<4> {
    let weights = query.clone().matmul(key.clone().transpose()) * powers.inside.clone();
    let here = weights.matmul(value.clone()); // [b, h, n, value_dim]
    let sums = (key * powers.to_end.clone()).transpose().matmul(value); // [b, h, d, value_dim]
    let (context, sums) = match state.take() {
        None => (here, sums),
        Some(before) => {
            let context = here + (query * powers.from_start.clone()).matmul(before.clone());
            (context, before * powers.across.clone() + sums)
        }
    };
    *state = Some(sums);
    context
}

/// Retention under any mask, of size queries × keys.
fn all_pairs(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    visible: &Tensor<4, Bool>,
) -> Tensor<4> {
    let [_, _, queries, keys] = visible.dims();
    let distance = |i: usize, j: usize| (i + keys).abs_diff(j + queries);
    let decays = tabulate(queries, keys, &query, |gamma, i, j| power(gamma, distance(i, j)));
    let weights = query.matmul(key.transpose()) * decays; // [b, h, q, k]
    weights.mask_fill(visible.clone().bool_not(), 0.0).matmul(value)
}

/// Powers of each head's decay within a chunk of `n` steps.
struct Powers {
    steps: usize,
    /// From key to query, `[1, h, n, n]`.
    inside: Tensor<4>,
    /// From the last step before the chunk to each query, `[1, h, n, 1]`.
    from_start: Tensor<4>,
    /// From each key to the last step, `[1, h, n, 1]`.
    to_end: Tensor<4>,
    /// Across the chunk, `[1, h, 1, 1]`.
    across: Tensor<4>,
}

impl Powers {
    /// For `[b, h, _, _]` like this.
    fn new(steps: usize, like: &Tensor<4>, own: Own) -> Self {
        let inside = tabulate(steps, steps, like, |gamma, i, j| match i.checked_sub(j) {
            None => 0.0,
            Some(0) if own == Own::Hidden => 0.0,
            Some(distance) => power(gamma, distance),
        });
        Self {
            steps,
            inside,
            from_start: tabulate(steps, 1, like, |gamma, i, _| power(gamma, i + 1)),
            to_end: to_end(steps, like),
            across: tabulate(1, 1, like, |gamma, _, _| power(gamma, steps)),
        }
    }
}

/// From each of so many keys to the last, `[1, h, steps, 1]`.
fn to_end(steps: usize, like: &Tensor<4>) -> Tensor<4> {
    tabulate(steps, 1, like, |gamma, j, _| power(gamma, steps - 1 - j))
}

fn power(gamma: f64, distance: usize) -> f64 {
    gamma.powf(distance as f64)
}

/// `[1, h, rows, cols]` of `f(γ, row, col)`, with heads, device and type of another tensor.
fn tabulate(
    rows: usize,
    cols: usize,
    like: &Tensor<4>,
    f: impl Fn(f64, usize, usize) -> f64,
) -> Tensor<4> {
    let heads = like.dims()[1];
    let mut cells = Vec::with_capacity(heads * rows * cols);
    for h in 0..heads {
        let gamma = 1.0 - (-5.0 - h as f64).exp2();
        for i in 0..rows {
            cells.extend((0..cols).map(|j| f(gamma, i, j)));
        }
    }
    let data = TensorData::new(cells, [1, heads, rows, cols]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// The sum over all keys so far: what a decoder keeps instead of keys and values. Of size
/// `d · value_dim` for each query head.
#[derive(Clone, Debug, Default)]
pub struct RetentionState {
    /// `Σ_j γ^(n - j) k_j v_jᵀ`, `[b, h, d, value_dim]`
    sums: Option<Tensor<4>>,
    /// `[b, h, 1, 1]`: whether something that is not finite was seen.
    broken: Option<Tensor<4, Bool>>,
}

impl RetentionState {
    /// No key yet.
    pub fn start() -> Self {
        Self::default()
    }

    /// The state of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            sums: self.sums.map(|x| x.select(0, rows.clone())),
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
    /// If the shapes do not fit together or the steps before them.
    pub fn step(
        &mut self,
        retention: &Retention,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> Tensor<4> {
        let [queries, keys] = [query.dims()[2], key.dims()[2]];
        assert_eq!(queries, keys, "retention: a step has as many queries as keys");
        let inputs = match Inputs::new("retention", [query, key, value], &Mask::causal(), true) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let [query, key, value] = [&inputs.query, &inputs.key, &inputs.value].map(Tensor::clone);
        let context = retention.in_chunks(&mut self.sums, query, key, value, Own::Seen);
        inputs.finish_after(&mut self.broken, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "retention: chunk must be at least 1, got 0")]
    fn a_chunk_of_zero_is_refused() {
        RetentionConfig::new().with_chunk(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "retention: a step has as many queries as keys")]
    fn a_step_has_one_key_for_each_query() {
        let device = Device::flex();
        let retention = RetentionConfig::new().init(&device);
        let [query, key, value] =
            [[2, 4, 1, 5], [2, 2, 3, 5], [2, 2, 3, 6]].map(|dims| Tensor::ones(dims, &device));
        RetentionState::start().step(&retention, query, key, value);
    }
}
