//! Sums over keys, written and read step by step or chunk by chunk.

use super::{FeatureMap, Features, LOWEST, divide, with_one};
use crate::Mask;
use crate::mechanism::finite::select_rows;
use crate::mechanism::inputs::Inputs;
use burn::tensor::{Bool, Int, Tensor};

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
    pub(super) fn write(&mut self, key: &Features, value: Tensor<4>) {
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
    pub(super) fn read(&self, query: Tensor<4>) -> Tensor<4> {
        let sums = self.sums.clone().expect("something was written");
        let [b, h, n, m] = query.dims();
        let [_, g, _, width] = sums.dims();
        query.reshape([b, g, h / g * n, m]).matmul(sums).reshape([b, h, n, width])
    }

    /// [`read`](Self::read) for queries that each come with a key, and see those up to theirs.
    pub(super) fn advance(
        &mut self,
        query: Tensor<4>,
        key: &Features,
        value: Tensor<4>,
    ) -> Tensor<4> {
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
