//! The gated delta rule.

use super::finite::select_rows;
use super::inputs::{Inputs, Visible, of_query_heads, without};
use super::{Mechanism, MechanismError};
use crate::Mask;
use crate::score::normalise;
use burn::module::{Initializer, Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor};
use serde::{Deserialize, Serialize};

/// What the decay's bias starts from: `α = sigmoid(4) = 0.982` where keys are small, so that at first
/// a state remembers some 50 steps.
const REMEMBERING: f64 = 4.0;

/// Below any logarithm of a product of decays that f32 holds.
const LOWEST: f64 = -1.0e30;

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
/// Keys are normalised to length 1, as the paper's layer does; it does so with queries too, which
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
/// for a gradient also `k / chunk · d · value_dim`. A decoder keeps a [`GatedDeltaState`], whose size
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

/// A number for each key: `w · k + w₀`, by head.
#[derive(Module, Debug)]
pub struct Gate {
    /// `[kv_heads, d]`
    pub weight: Param<Tensor<2>>,
    /// `[kv_heads]`
    pub bias: Param<Tensor<1>>,
}

impl Gate {
    fn new(d_head: usize, kv_heads: usize, bias: f64, device: &Device) -> Self {
        let bound = 1.0 / (d_head as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        Self {
            weight: uniform.init([kv_heads, d_head], device),
            bias: Initializer::Constant { value: bias }.init([kv_heads], device),
        }
    }

    /// `[b, g, k, d]` → `[b, g, k, 1]`; several heads of keys may be copies of one.
    fn forward(&self, key: Tensor<4>) -> Tensor<4> {
        let [kv_heads, d] = self.weight.dims();
        let copies = key.dims()[1] / kv_heads;
        let dtype = FloatDType::from(key.dtype());
        let weight = self.weight.val().cast(dtype).reshape([1, kv_heads, 1, d]);
        let bias = self.bias.val().cast(dtype).reshape([1, kv_heads, 1, 1]);
        let [weight, bias] = [weight, bias].map(|x| of_query_heads(x, copies));
        (key * weight).sum_dim(3) + bias
    }
}

/// What is written: unit keys, values, and how.
struct Writes {
    /// `[b, g, k, d]`
    key: Tensor<4>,
    /// `[b, g, k, value_dim]`
    value: Tensor<4>,
    /// `ln α`, `[b, g, k, 1]`
    log_decay: Tensor<4>,
    /// `β`, `[b, g, k, 1]`
    strength: Tensor<4>,
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

    fn writes(&self, inputs: &Inputs, hidden: Option<&Tensor<4, Bool>>) -> Writes {
        let key = inputs.key.clone();
        // The logarithm of 1, and no strength: as if the key were not there.
        let skip = |x: Tensor<4>| without(x, hidden);
        Writes {
            log_decay: skip(log_sigmoid(self.decay.forward(key.clone()))),
            // Not `sigmoid`, which burn-ndarray rounds to f32.
            strength: skip(log_sigmoid(self.write.forward(key.clone())).exp()),
            key: normalise(key),
            value: inputs.value.clone(),
        }
    }
}

impl Writes {
    /// In chunks of `chunk`, of which the last is filled up with writes that change nothing.
    fn fill_up(self, chunk: usize) -> Self {
        let keys = self.key.dims()[2];
        let missing = keys.next_multiple_of(chunk) - keys;
        let fill = |x: Tensor<4>| {
            let [b, g, _, width] = x.dims();
            if missing == 0 {
                return x;
            }
            let zeros = Tensor::zeros([b, g, missing, width], (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], 2)
        };
        Self {
            key: fill(self.key),
            value: fill(self.value),
            log_decay: fill(self.log_decay),
            strength: fill(self.strength),
        }
    }
}

/// The states' history in chunks of `C` keys, and how queries read it.
///
/// With `Γ_i` the product of a chunk's decays up to `i` and `u_i = β_i (v_i - k_iᵀ α_i S_{i-1})`, a
/// state is `S_i = Γ_i S_0 + Σ_{j ≤ i} Γ_i / Γ_j k_j u_jᵀ`, and so
/// `(I + A) U = β (V - Γ K S_0)` with `A_ij = β_i Γ_i / Γ_j k_i · k_j` below the diagonal.
struct Chunks {
    chunk: usize,
    writes: Writes,
    /// `Γ`, `[b, g, k, 1]`
    decay: Tensor<4>,
    /// `Γ_i / Γ_j` where `j <= i`, `[b, g, k, C]`
    between: Tensor<4>,
    /// `(I + A)⁻¹`, `[b, g, k, C]`
    solve: Tensor<4>,
}

impl Chunks {
    fn new(writes: Writes, chunk: usize) -> Self {
        let writes = writes.fill_up(chunk);
        let [b, g, k, d] = writes.key.dims();
        let folded = |x: &Tensor<4>| {
            let width = x.dims()[3];
            x.clone().reshape([b, g * k / chunk, chunk, width])
        };
        let plain = writes.key.device().without_autodiff();
        // `tril_mask` is true above the diagonal that is named.
        let above = |diagonal| {
            Tensor::<2, Bool>::tril_mask([chunk, chunk], diagonal, &plain)
                .reshape([1, 1, chunk, chunk])
                .expand([b, g * k / chunk, chunk, chunk])
        };

        let log_decay = folded(&writes.log_decay);
        let options = (&log_decay.device(), log_decay.dtype());
        let ones = Tensor::ones([b, g * k / chunk, chunk, chunk], options);
        let lower = ones.mask_fill(above(0), 0.0);
        let log_decay = lower.matmul(log_decay); // [b, g · k / C, C, 1]
        let between = log_decay.clone() - log_decay.clone().transpose();
        let between = between.mask_fill(above(0), LOWEST).exp();

        let key = folded(&writes.key);
        let overlap = key.clone().matmul(key.reshape([b, g * k / chunk, chunk, d]).transpose());
        let a = (overlap * between.clone() * folded(&writes.strength)).mask_fill(above(-1), 0.0);
        let unfolded = |x: Tensor<4>| {
            let width = x.dims()[3];
            x.reshape([b, g, k, width])
        };
        Self {
            chunk,
            decay: unfolded(log_decay.exp()),
            between: unfolded(between),
            solve: unfolded(inverse(a)),
            writes,
        }
    }

    /// Writes the chunk from key `first`, and reads at each of its positions if there are queries,
    /// `[b, h, C, d]`.
    fn advance(
        &self,
        state: &mut Tensor<4>,
        first: usize,
        query: Option<Tensor<4>>,
    ) -> Option<Tensor<4>> {
        let n = self.chunk;
        let of = |x: &Tensor<4>| x.clone().slice_dim(2, first..first + n);
        let [key, value] = [&self.writes.key, &self.writes.value].map(of);
        let [decay, between] = [&self.decay, &self.between].map(of);
        let read = key.clone().matmul(state.clone()) * decay.clone(); // [b, g, C, value_dim]
        let u = of(&self.solve).matmul((value - read) * of(&self.writes.strength));

        let context = query.map(|query| {
            let [b, h, _, d] = query.dims();
            let [_, g, _, width] = u.dims();
            let rows = h / g * n;
            let of_group = |x: Tensor<4>| x.repeat_dim(2, h / g);
            let query = query.reshape([b, g, rows, d]);
            let weights = query.clone().matmul(key.clone().transpose()); // [b, g, rows, C]
            let here = (weights * of_group(between.clone())).matmul(u.clone());
            let before = query.matmul(state.clone()) * of_group(decay.clone());
            (here + before).reshape([b, h, n, width])
        });
        let to_end = between.slice_dim(2, n - 1..n).transpose(); // [b, g, C, 1]
        let across = decay.slice_dim(2, n - 1..n); // [b, g, 1, 1]
        *state = state.clone() * across + (key * to_end).transpose().matmul(u);
        context
    }
}

/// `(I + a)⁻¹` of `a` that is 0 on the diagonal and above, `[.., .., n, n]`: half by half, which
/// errs no more than forward substitution and is a few products for all chunks together.
fn inverse(a: Tensor<4>) -> Tensor<4> {
    let [b, g, n, _] = a.dims();
    let options = (&a.device(), a.dtype());
    if n == 1 {
        return Tensor::ones([b, g, 1, 1], options);
    }
    let half = n / 2;
    let block = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| {
        a.clone().slice_dim(2, rows).slice_dim(3, cols)
    };
    let first = inverse(block(0..half, 0..half));
    let last = inverse(block(half..n, half..n));
    let below = last.clone().matmul(block(half..n, 0..half)).matmul(first.clone()).neg();
    let above = Tensor::zeros([b, g, half, n - half], options);
    Tensor::cat(vec![Tensor::cat(vec![first, above], 3), Tensor::cat(vec![below, last], 3)], 2)
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
        let Visible::Rows { causal, hidden } = &inputs.visible else {
            panic!(
                "gated delta rule: takes a causal mask, a mask of keys, or both, which {mask:?} is \
                 not"
            )
        };
        let [b, h, queries, d] = inputs.query.dims();
        let [_, g, keys, width] = inputs.value.dims();
        let chunk = self.chunk.min(keys);
        let chunks = Chunks::new(self.writes(&inputs, hidden.as_ref()), chunk);
        let filled = keys.next_multiple_of(chunk);
        let options = (&inputs.query.device(), inputs.query.dtype());
        let mut state = Tensor::zeros([b, g, d, width], options);

        if !causal {
            for first in (0..filled).step_by(chunk) {
                chunks.advance(&mut state, first, None);
            }
            let query = inputs.query.clone().reshape([b, g, h / g * queries, d]);
            return inputs.finish(query.matmul(state).reshape([b, h, queries, width]));
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
        for first in (0..filled).step_by(chunk) {
            let asked = first + chunk > before;
            let query = asked.then(|| query.clone().slice_dim(2, first..first + chunk));
            contexts.extend(chunks.advance(&mut state, first, query));
        }
        let context = Tensor::cat(contexts, 2);
        // Chunks before the first query were not read.
        let skipped = before / chunk * chunk;
        let context = context.slice_dim(2, before - skipped..keys - skipped);
        let context =
            if blind > 0 { Tensor::cat(vec![zeros(blind, width), context], 2) } else { context };
        inputs.finish(context)
    }
}

/// What was written so far: what a decoder keeps instead of keys and values. Of size
/// `d · value_dim` for each key/value head.
#[derive(Clone, Debug, Default)]
pub struct GatedDeltaState {
    /// `S`, `[b, g, d, value_dim]`
    state: Option<Tensor<4>>,
    /// `[b, h, 1, 1]`: whether something that is not finite was seen.
    broken: Option<Tensor<4, Bool>>,
}

impl GatedDeltaState {
    /// Nothing written.
    pub fn start() -> Self {
        Self::default()
    }

    /// The state of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            state: self.state.map(|x| x.select(0, rows.clone())),
            broken: self.broken.map(|broken| select_rows(broken, rows)),
        }
    }

    /// Writes the next keys one after the other, by the recurrence itself, and after each reads with
    /// its query; as many keys as queries, one or more.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, steps, d]`
    /// - `key`: `[batch, kv_heads, steps, d]`
    /// - `value`: `[batch, kv_heads, steps, value_dim]`
    /// - result: `[batch, heads, steps, value_dim]`
    ///
    /// # Panics
    /// If the shapes do not fit together or the steps before them, or the rule does not fit them.
    pub fn step(
        &mut self,
        rule: &GatedDelta,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> Tensor<4> {
        let [queries, keys] = [query.dims()[2], key.dims()[2]];
        assert_eq!(queries, keys, "gated delta rule: a step has as many queries as keys");
        rule.check(&key);
        let all = [query, key, value];
        let inputs = match Inputs::new("gated delta rule", all, &Mask::causal(), false) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let [b, h, _, d] = inputs.query.dims();
        let [_, g, _, width] = inputs.value.dims();
        let Writes { key, value, log_decay, strength } = rule.writes(&inputs, None);
        let decay = log_decay.exp();
        let mut contexts = Vec::new();
        for t in 0..keys {
            let at = |x: &Tensor<4>| x.clone().slice_dim(2, t..t + 1);
            let options = (&key.device(), key.dtype());
            let before =
                self.state.take().unwrap_or_else(|| Tensor::zeros([b, g, d, width], options));
            let decayed = before * at(&decay);
            let news = at(&value) - at(&key).matmul(decayed.clone()); // [b, g, 1, value_dim]
            let state = decayed + at(&key).transpose().matmul(news * at(&strength));
            let query = at(&inputs.query).reshape([b, g, h / g, d]);
            contexts.push(query.matmul(state.clone()).reshape([b, h, 1, width]));
            self.state = Some(state);
        }
        inputs.finish_after(&mut self.broken, Tensor::cat(contexts, 2))
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
