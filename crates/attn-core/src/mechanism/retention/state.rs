//! Retention step by step.

use super::Retention;
use super::powers::Own;
use crate::Mask;
use crate::mechanism::finite::select_rows;
use crate::mechanism::inputs::Inputs;
use burn::tensor::{Bool, Int, Tensor};

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
