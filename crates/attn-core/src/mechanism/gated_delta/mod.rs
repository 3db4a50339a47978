//! The gated delta rule.

mod chunks;
mod gate;

pub use gate::Gate;

use super::inputs::{Inputs, Visible, without};
use super::linear_state::Sums;
use super::{LinearState, Mechanism, MechanismError, Stepwise};
use crate::Mask;
use crate::cut::cut;
use crate::logistic::sigmoid;
use crate::score::normalize;
use burn::module::Module;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};
use chunks::{Chunk, Writes};
use serde::{Deserialize, Serialize};

/// What the decay's bias starts from: `α = sigmoid(4) = 0.982` where keys are small, so that at first
/// a state keeps most of the last 50 steps or so.
const REMEMBERING: f64 = 4.0;

/// Configuration of a [`GatedDelta`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatedDeltaConfig {
    /// Width of queries and keys.
    pub d_head: usize,
    /// Number of key/value heads.
    pub kv_heads: usize,
    /// How many keys are written at a time. Does not change the answer.
    #[serde(default = "chunk")]
    pub chunk: usize,
}

fn chunk() -> usize {
    64
}

impl GatedDeltaConfig {
    /// A gated delta rule in chunks of 64.
    pub fn new(d_head: usize, kv_heads: usize) -> Self {
        Self { d_head, kv_heads, chunk: chunk() }
    }

    /// Another size of chunks.
    pub fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    /// # Errors
    /// If a size is zero.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_head, kv_heads, chunk } = *self;
        let sizes = [("d_head", d_head), ("kv_heads", kv_heads), ("chunk", chunk)];
        MechanismError::check_sizes("gated delta rule", &sizes)
    }

    /// The mechanism, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> GatedDelta {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let gate = |bias| Gate::new(self.d_head, self.kv_heads, bias, device);
        GatedDelta { decay: gate(REMEMBERING), write: gate(0.0), chunk: self.chunk }
    }
}

/// The gated delta rule, Yang et al. (2024, *Gated delta networks*), equation 10: keys and values
/// are written one after the other to a state `S` of size `d · value_dim`, each time replacing a
/// part of what the state has at that key; a query reads what is there at its position.
///
/// `S_t = α_t (I - β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ`, context `S_tᵀ q`.
///
/// Keys are normalized to length 1, as the paper's layer does; it does so with queries too, which
/// here are taken as they are. The paper has `α` and `β` from the layer's input, which a mechanism
/// does not see. Here they are functions of the key, `α_t = sigmoid(a · k_t + a₀)` and
/// `β_t = sigmoid(b · k_t + b₀)`, learned for each key/value head. Positions, convolutions, norm and
/// gate of the paper's layer belong to what is around it.
///
/// # Masks
/// A recurrence has an order, so this takes a causal mask, a mask of keys, and both. A hidden key is
/// skipped: it neither writes nor decays. Without a causal part all keys are written, and then every
/// query reads the last state.
///
/// # Cost
/// Chunk by chunk in the WY form (section 3.3 of the paper), in time
/// `k · (chunk² + chunk · (d + value_dim) + d · value_dim)` and memory `k · (chunk + d + value_dim)`;
/// for a gradient also `k / chunk · d · value_dim`. A decoder keeps a [`LinearState`], whose size
/// does not grow. What it gives up: what was written is overwritten, at the latest when there are
/// more than `d` keys.
#[derive(Module, Debug)]
pub struct GatedDelta {
    /// Logit of `α`.
    pub decay: Gate,
    /// Logit of `β`.
    pub write: Gate,
    chunk: usize,
}

impl GatedDelta {
    fn check(&self, key: &Tensor<4>) {
        let configured = self.decay.weight.dims();
        let [_, heads, _, width] = key.dims();
        assert_eq!(
            [heads, width],
            configured,
            "gated delta rule: key {:?} has heads and width {:?}, expected {configured:?}",
            key.dims(),
            [heads, width]
        );
    }

    fn writes(&self, inputs: &Inputs) -> Writes {
        let hidden = match &inputs.visible {
            Visible::Rows { hidden, .. } => hidden.as_ref(),
            Visible::Pairs(_) => None,
        };
        let key = inputs.key.clone();
        // The logarithm of 1, and no strength: as if the key were not there.
        let skip = |x: Tensor<4>| without(x, hidden);
        Writes {
            log_decay: skip(log_sigmoid(self.decay.forward(key.clone()))),
            strength: skip(sigmoid(self.write.forward(key.clone()))),
            key: normalize(key),
            value: inputs.value.clone(),
        }
    }
}

impl Mechanism for GatedDelta {
    /// # Panics
    /// Also if keys do not have the configured heads and width, or the mask is neither causal nor of
    /// keys only nor both.
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        self.check(&key);
        let inputs = match Inputs::new("gated delta rule", [query, key, value], mask, false) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        if let Visible::Pairs(_) = &inputs.visible {
            refuse(mask)
        }
        let context = self.by_state(&inputs, &mut None);
        inputs.finish(context)
    }
}

/// # Panics
/// Always.
fn refuse(mask: &Mask) -> ! {
    panic!("gated delta rule: takes a causal mask, a mask of keys, or both, which {mask:?} is not")
}

impl Stepwise for GatedDelta {
    type State = LinearState;

    /// # Panics
    /// Also if keys do not have the configured heads and width, or the mask is neither causal nor of
    /// keys only nor both.
    fn step(
        &self,
        state: &mut LinearState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        self.check(&key);
        if !mask.is_of_keys() {
            refuse(mask)
        }
        state.step(
            "gated delta rule",
            [query, key, value],
            mask,
            false,
            |inputs, Sums { total, .. }| {
                if inputs.query.dims()[2] == 1 {
                    self.recur(inputs, total)
                } else {
                    self.by_state(inputs, total)
                }
            },
            |_| refuse(mask),
        )
    }
}

impl GatedDelta {
    /// The recurrence itself, of one query and one key.
    fn recur(&self, inputs: &Inputs, state: &mut Option<Tensor<4>>) -> Tensor<4> {
        let [b, h, _, d] = inputs.query.dims();
        let [_, g, _, width] = inputs.value.dims();
        let Writes { key, value, log_decay, strength } = self.writes(inputs);
        let news = match state.take() {
            None => key.clone().transpose().matmul(value * strength),
            Some(before) => {
                let decayed = before * log_decay.exp();
                let news = value - key.clone().matmul(decayed.clone()); // [b, g, 1, value_dim]
                decayed + key.transpose().matmul(news * strength)
            }
        };
        let query = inputs.query.clone().reshape([b, g, h / g, d]);
        query.matmul(state.insert(news).clone()).reshape([b, h, 1, width])
    }

    /// The recurrence chunk by chunk, from a state `[b, g, d, value_dim]` if there are as many keys as
    /// queries, else from the start.
    fn by_state(&self, inputs: &Inputs, state: &mut Option<Tensor<4>>) -> Tensor<4> {
        let [b, h, queries, d] = inputs.query.dims();
        let [_, g, keys, width] = inputs.value.dims();
        let chunk = self.chunk.min(keys);
        let chunks = Chunk::all(self.writes(inputs), chunk);
        let filled = keys.next_multiple_of(chunk);
        let options = (&inputs.query.device(), inputs.query.dtype());
        let state = state.get_or_insert_with(|| Tensor::zeros([b, g, d, width], options));

        if !matches!(inputs.visible, Visible::Rows { causal: true, .. }) {
            for chunk in &chunks {
                chunk.advance(state, None);
            }
            let query = inputs.query.clone().reshape([b, g, h / g * queries, d]);
            return query.matmul(state.clone()).reshape([b, h, queries, width]);
        }

        // Queries beside the keys of their positions: none at the first keys, nor at what fills up.
        let before = keys.saturating_sub(queries);
        let blind = queries.saturating_sub(keys);
        let zeros = |steps, width| Tensor::zeros([b, h, steps, width], options);
        let seeing = inputs.query.clone().slice_dim(2, blind..queries);
        let parts = [(before, None), (0, Some(seeing)), (filled - keys, None)];
        let parts = parts
            .into_iter()
            .filter_map(|(steps, part)| part.or_else(|| (steps > 0).then(|| zeros(steps, d))));
        let query = Tensor::cat(parts.collect(), 2); // [b, h, filled, d]
        let mut contexts = Vec::new();
        for (n, (part, query)) in chunks.iter().zip(cut(query, chunk)).enumerate() {
            let asked = (n + 1) * chunk > before;
            contexts.extend(part.advance(state, asked.then_some(query)));
        }
        let context = Tensor::cat(contexts, 2);
        // Chunks before the first query were not read.
        let skipped = before / chunk * chunk;
        let context = context.slice_dim(2, before - skipped..keys - skipped);
        if blind > 0 { Tensor::cat(vec![zeros(blind, width), context], 2) } else { context }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(key: [usize; 4], mask: &Mask) {
        let device = Device::flex();
        let rule = GatedDeltaConfig::new(5, 2).init(&device);
        let query = Tensor::ones([2, 4, 7, key[3]], &device);
        rule.forward(query, Tensor::ones(key, &device), Tensor::ones(key, &device), mask);
    }

    #[test]
    #[should_panic(expected = "gated delta rule: kv_heads must be at least 1, got 0")]
    fn no_heads_are_refused() {
        GatedDeltaConfig::new(5, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(
        expected = "gated delta rule: key [2, 2, 7, 6] has heads and width [2, 6], expected [2, 5]"
    )]
    fn keys_have_the_configured_width() {
        forward([2, 2, 7, 6], &Mask::causal());
    }

    #[test]
    #[should_panic(
        expected = "gated delta rule: takes a causal mask, a mask of keys, or both, which \
                               window(left 2, right 0)"
    )]
    fn other_masks_are_refused() {
        forward([2, 2, 7, 5], &(Mask::window(Some(2), Some(0))));
    }
}
