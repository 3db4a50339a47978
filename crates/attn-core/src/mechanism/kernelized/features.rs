//! Feature maps.

use super::LOWEST;
use crate::cut::{behind, cut};
use crate::mechanism::inputs::without;
use burn::tensor::{Bool, Tensor};

/// `φ`: what makes a product of features a weight.
///
/// Features must not be negative, as a sum of weights is what contexts are divided by.
pub trait FeatureMap {
    /// The name, for messages.
    fn name(&self) -> &'static str;

    /// `φ(q)`, up to a positive factor for each query, which is divided away.
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
    pub(super) fn slice(&self, keys: std::ops::Range<usize>) -> Self {
        Self {
            values: self.values.clone().slice_dim(2, keys.clone()),
            log_scale: self.log_scale.clone().map(|scale| scale.slice_dim(2, keys)),
        }
    }

    /// Without the first `start` keys, in parts of `size`.
    pub(super) fn cut_behind(self, start: usize, size: usize) -> Vec<Self> {
        let values = cut(behind(self.values, start), size);
        let scales = match self.log_scale {
            None => vec![None; values.len()],
            Some(scale) => cut(behind(scale, start), size).into_iter().map(Some).collect(),
        };
        let part = |(values, log_scale)| Self { values, log_scale };
        values.into_iter().zip(scales).map(part).collect()
    }

    /// No features where keys are hidden, `[b, g, k, 1]`.
    pub(super) fn hide(self, hidden: Option<&Tensor<4, Bool>>) -> Self {
        let values = without(self.values, hidden);
        let log_scale = match (self.log_scale, hidden) {
            (Some(scale), Some(hidden)) => Some(scale.mask_fill(hidden.clone(), LOWEST)),
            (scale, _) => scale,
        };
        Self { values, log_scale }
    }
}
