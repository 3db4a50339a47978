//! Scaled dot score.

use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`ScaledDot`] score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaledDotConfig {
    /// The factor; `None` is `1 / sqrt(d)` with `d` the width of the queries and keys given.
    pub scale: Option<f64>,
}

impl ScaledDotConfig {
    /// The paper's factor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another factor.
    pub fn with_scale(self, scale: f64) -> Self {
        Self { scale: Some(scale) }
    }

    /// # Errors
    /// If the scale is not from 1e-18 to 1e18.
    pub fn validate(&self) -> Result<(), ScoreError> {
        match self.scale {
            Some(scale) => ScoreError::check_factor("scaled dot", "scale", scale),
            None => Ok(()),
        }
    }

    /// The score.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> ScaledDot {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        ScaledDot { scale: self.scale }
    }
}

/// Scaled dot score, Vaswani et al. (2017), equation 1: `score(s, h) = s · h / sqrt(d)`.
///
/// With components of mean 0 and variance 1, `s · h` has variance `d`, and the softmax of numbers
/// that large has hardly a gradient (section 3.2.1).
#[derive(Module, Debug)]
pub struct ScaledDot {
    scale: Option<f64>,
}

impl ScaledDot {
    /// The factor; `None` is `1 / sqrt(d)`.
    pub fn scale(&self) -> Option<f64> {
        self.scale
    }
}

impl Score for ScaledDot {
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If query and key differ in width or batch, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let d = query.dims()[3];
        assert_width("scaled dot", "key", &key, d);
        let scale = self.scale.unwrap_or_else(|| 1.0 / (d as f64).sqrt());
        // Scaling the query, not the scores, touches d instead of k numbers per row.
        grouped(query * scale, key, |s, h| s.matmul(h.transpose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "scaled dot score: scale must be from 1e-18 to 1e18, got -1")]
    fn a_scale_that_turns_the_order_around_is_refused() {
        ScaledDotConfig::new().with_scale(-1.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "scaled dot score: key [2, 3, 7, 5] has width 5, expected 4")]
    fn widths_must_agree() {
        let device = Device::flex();
        let score = ScaledDotConfig::new().init(&device);
        score.score(Tensor::ones([2, 3, 6, 4], &device), Tensor::ones([2, 3, 7, 5], &device));
    }
}
