//! Sums over keys, written and read step by step or chunk by chunk.

use super::{Features, LOWEST};
use crate::mechanism::linear_state::Sums;
use burn::tensor::{Bool, Tensor};

/// `Σ φ(k) [v, 1]ᵀ`, `[b, g, m, value_dim + 1]`.
impl Sums {
    /// Takes in keys; `value` with its one, `[b, g, n, value_dim + 1]`.
    pub(in crate::mechanism) fn write(&mut self, key: &Features, value: Tensor<4>) {
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
        self.total = Some(match (self.total.take(), decay) {
            (None, _) => sums,
            (Some(before), None) => before + sums,
            (Some(before), Some(decay)) => before * decay + sums,
        });
    }

    /// What queries get of the keys so far: `[b, h, n, m]` → `[b, h, n, value_dim + 1]`.
    pub(in crate::mechanism) fn read(&self, query: Tensor<4>) -> Tensor<4> {
        let sums = self.total.clone().expect("something was written");
        let [b, h, n, m] = query.dims();
        let [_, g, _, width] = sums.dims();
        query.reshape([b, g, h / g * n, m]).matmul(sums).reshape([b, h, n, width])
    }

    /// [`read`](Self::read) for queries that each come with a key, and see those up to theirs.
    pub(in crate::mechanism) fn advance(
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
        let sums = match (&self.total, decay) {
            (None, _) => here,
            (Some(before), None) => here + query.matmul(before.clone()),
            (Some(before), Some(decay)) => here + query.matmul(before.clone()) * decay,
        };
        self.write(key, value);
        sums.reshape([b, h, n, width])
    }
}
