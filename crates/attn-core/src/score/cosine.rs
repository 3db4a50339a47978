//! Cosine score.

use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// A vector with no component above this counts as zero; far below what f32 holds, far above what
/// the gradient of a division would lose.
const TINY: f64 = 1.0e-30;

/// Configuration of a [`Cosine`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosineConfig {
    /// `τ`, which divides the cosine. A cosine is at most 1, so with `k` keys no weight exceeds
    /// `1 / (1 + (k - 1) exp(-2 / τ))`: without a temperature well below 1, attention stays vague.
    pub temperature: f64,
}

impl Default for CosineConfig {
    /// The temperature 0.1, from which Liu et al. (2022) learn theirs.
    fn default() -> Self {
        Self { temperature: 0.1 }
    }
}

impl CosineConfig {
    /// A cosine score of the default temperature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another temperature.
    pub fn with_temperature(self, temperature: f64) -> Self {
        Self { temperature }
    }

    /// # Errors
    /// If the temperature is not from 1e-18 to 1e18.
    pub fn validate(&self) -> Result<(), ScoreError> {
        ScoreError::check_factor("cosine", "temperature", self.temperature)
    }

    /// The score.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> Cosine {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Cosine { temperature: self.temperature }
    }
}

/// Cosine score, Liu et al. (2022), equation 2, without its position bias:
/// `score(s, h) = cos(s, h) / τ = s · h / (τ |s| |h|)`.
///
/// The keys are normalized once, as their projection. A zero vector has no direction: it scores 0
/// with everything.
#[derive(Module, Debug)]
pub struct Cosine {
    temperature: f64,
}

impl Score for Cosine {
    /// `h / |h|`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - result: `[batch, kv_heads, keys, d]`
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        normalize(key)
    }

    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`, projected
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If query and key differ in width or batch, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        assert_width("cosine", "key", &key, query.dims()[3]);
        let query = normalize(query) / self.temperature;
        grouped(query, key, |s, h| s.matmul(h.transpose()))
    }
}

/// `x / |x|` along the last dimension; about 0 where `x` is.
///
/// The direction of `x` is that of `x / max |x_i|`, whose squares neither overflow nor vanish, and
/// sum to at least 1.
pub(crate) fn normalize(x: Tensor<4>) -> Tensor<4> {
    let largest = x.clone().detach().abs().max_dim(3); // [b, h, q, 1]
    let zero = largest.clone().lower_elem(TINY);
    let x = x / largest.mask_fill(zero.clone(), 1.0);
    // √0 has no gradient, so a zero vector is divided by 1 instead.
    let squares = x.clone().square().sum_dim(3).mask_fill(zero, 1.0);
    x / squares.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "cosine score: temperature must be from 1e-18 to 1e18, got 0")]
    fn a_temperature_of_zero_is_refused() {
        CosineConfig::new().with_temperature(0.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "cosine score: key [2, 3, 7, 5] has width 5, expected 4")]
    fn widths_must_agree() {
        let device = Device::flex();
        let score = CosineConfig::new().init(&device);
        score.score(Tensor::ones([2, 3, 6, 4], &device), Tensor::ones([2, 3, 7, 5], &device));
    }
}
