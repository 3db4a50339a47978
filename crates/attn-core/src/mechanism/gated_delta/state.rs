//! The recurrence step by step.

use super::GatedDelta;
use super::chunks::Writes;
use crate::Mask;
use crate::mechanism::finite::select_rows;
use crate::mechanism::inputs::Inputs;
use burn::tensor::{Bool, Int, Tensor};

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
