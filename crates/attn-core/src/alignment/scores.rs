//! Scores as an alignment gets them.

use super::Past;
use burn::tensor::{Bool, Device, Tensor};

/// Scores, and which of their keys are visible.
#[derive(Clone, Debug)]
pub struct Scores<'a> {
    /// `[batch, heads, queries, keys]`, finite everywhere; 0 for hidden keys.
    pub values: Tensor<4>,
    /// `[batch, heads, queries, keys]`: which keys each query sees. `None`: all.
    pub visible: Option<Tensor<4, Bool>>,
    /// The queries that were scored, `[batch, heads, queries, width]`, for alignments that depend on
    /// them; `None` where only the scores are known.
    pub query: Option<&'a Tensor<4>>,
    /// The steps before these queries.
    pub past: &'a Past,
    /// How many queries of the same call follow these: where a score depends on earlier weights, they
    /// are aligned one by one.
    pub behind: usize,
}

impl Scores<'_> {
    /// `[batch, heads, queries, keys]`
    pub fn dims(&self) -> [usize; 4] {
        self.values.dims()
    }

    /// Their device without autodiff, for masks and constants.
    pub fn plain_device(&self) -> Device {
        self.values.device().without_autodiff()
    }

    /// The scores with `value` in place of hidden ones.
    pub fn hidden_as(&self, value: f64) -> Tensor<4> {
        match &self.visible {
            None => self.values.clone(),
            Some(visible) => self.values.clone().mask_fill(visible.clone().bool_not(), value),
        }
    }

    /// The same scores, with those hidden that are not `kept`.
    ///
    /// # Shapes
    /// - `kept`: `[batch, heads, queries, keys]`
    pub fn within(&self, kept: Tensor<4, Bool>) -> Self {
        let visible = match &self.visible {
            None => kept,
            Some(visible) => visible.clone().bool_and(kept),
        };
        Self { visible: Some(visible), ..self.clone() }
    }

    /// `tensor` with 0 where a key is hidden.
    ///
    /// # Shapes
    /// - `tensor` and result: `[batch, heads, queries, keys]`
    pub fn only_visible(&self, tensor: Tensor<4>) -> Tensor<4> {
        match &self.visible {
            None => tensor,
            Some(visible) => tensor.mask_fill(visible.clone().bool_not(), 0.0),
        }
    }
}
