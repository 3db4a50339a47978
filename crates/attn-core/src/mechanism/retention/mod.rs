//! Retention.

mod powers;

use super::inputs::{Inputs, Visible};
use super::linear_state::Sums;
use super::{LinearState, Mechanism, MechanismError, Stepwise};
use crate::Mask;
use crate::cut::cut;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use powers::{Own, Powers, between, to_end};
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
/// weight has `γ^|p - j|` (Fan et al. 2024, *RMT*). A hidden key writes nothing, but the
/// distance across it counts.
///
/// | mask | form | time | memory |
/// |---|---|---|---|
/// | causal, also with a mask of keys | chunks, and the sum of those before | `(q + k) · d · value_dim + q · chunk · (d + value_dim)` | `q + k`; for a gradient also `k / chunk · d · value_dim` |
/// | keys only, or open | the same forwards and backwards | twice that | the same |
/// | anything else | all weights | `q · k · (d + value_dim)` | `q · k` |
///
/// A decoder keeps a [`LinearState`], whose size does not grow. What it gives up: softmax, and
/// with it any choice of how long a key is kept. The keys of grouped queries are repeated,
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
        let context = match &inputs.visible {
            Visible::Pairs(visible) => {
                let [query, key, value] =
                    [&inputs.query, &inputs.key, &inputs.value].map(Tensor::clone);
                all_pairs(query, key, value, visible)
            }
            Visible::Rows { .. } => self.by_sums(&inputs, &mut Sums::default()),
        };
        inputs.finish(context)
    }
}

impl Stepwise for Retention {
    type State = LinearState;

    fn step(
        &self,
        state: &mut LinearState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        state.step(
            "retention",
            [query, key, value],
            mask,
            true,
            |inputs, sums| self.by_sums(inputs, sums),
            |[query, key, value]| self.forward(query, key, value, mask),
        )
    }
}

impl Retention {
    /// Under a mask that is causal, of keys, or both; keys are added to
    /// `Σ_j γ^(n - j) k_j v_jᵀ`, `[b, h, d, value_dim]`.
    fn by_sums(&self, inputs: &Inputs, sums: &mut Sums) -> Tensor<4> {
        let [query, key, value] = [&inputs.query, &inputs.key, &inputs.value].map(Tensor::clone);
        // Behind a single query there is none.
        let behind = match inputs.visible {
            Visible::Rows { causal: false, .. } if query.dims()[2] > 1 => {
                Some(self.backwards(query.clone(), key.clone(), value.clone()))
            }
            _ => None,
        };
        let context = self.forwards(&mut sums.total, query, key, value);
        match behind {
            None => context,
            Some(behind) => context + behind,
        }
    }

    /// Each query's own key and those before it, `state` among them if there are as many keys as
    /// queries.
    fn forwards(
        &self,
        state: &mut Option<Tensor<4>>,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> Tensor<4> {
        let [b, h, queries, _] = query.dims();
        let [_, _, keys, width] = value.dims();
        let before = keys.saturating_sub(queries);
        let blind = queries.saturating_sub(keys);
        if before > 0 {
            let [key, value] = [&key, &value].map(|x| x.clone().slice_dim(2, 0..before));
            let decays = to_end(before, &key);
            *state = Some((key * decays).transpose().matmul(value));
        }
        let [key, value] = [key, value].map(|x| x.slice_dim(2, before..keys));
        let seeing = query.slice_dim(2, blind..queries);
        let context = self.in_chunks(state, seeing, key, value, Own::Seen);
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
        let [query, key, value] = [query, key, value].map(|x| cut(x, self.chunk));
        for ((q, k), v) in query.into_iter().zip(key).zip(value) {
            let steps = q.dims()[2];
            if steps < powers.steps {
                powers = Powers::new(steps, &q, own);
            }
            parts.push(advance(state, q, k, v, &powers));
        }
        Tensor::cat(parts, 2)
    }
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
    let decays = between(queries, keys, &query);
    let weights = query.matmul(key.transpose()) * decays; // [b, h, q, k]
    weights.mask_fill(visible.clone().bool_not(), 0.0).matmul(value)
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
        retention.step(&mut LinearState::default(), query, key, value, &Mask::causal());
    }
}
