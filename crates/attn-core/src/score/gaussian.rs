//! Gaussian kernel score.

use super::distance::squared_distances;
use super::{Score, ScoreError, assert_width, grouped};
use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Gaussian`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianConfig {
    /// `σ`, the distance at which a key counts `exp(-1/2)` times as much as one that agrees.
    pub bandwidth: f64,
    /// Whether `σ` is learned, starting from `bandwidth`.
    pub learned: bool,
}

impl Default for GaussianConfig {
    /// A fixed bandwidth of 1.
    fn default() -> Self {
        Self { bandwidth: 1.0, learned: false }
    }
}

impl GaussianConfig {
    /// A fixed bandwidth of 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another bandwidth.
    pub fn with_bandwidth(self, bandwidth: f64) -> Self {
        Self { bandwidth, ..self }
    }

    /// A bandwidth that is learned, or not.
    pub fn with_learned(self, learned: bool) -> Self {
        Self { learned, ..self }
    }

    /// # Errors
    /// If the bandwidth is not from 1e-18 to 1e18: the inverse of its square is a number of f32.
    pub fn validate(&self) -> Result<(), ScoreError> {
        ScoreError::check_factor("gaussian", "bandwidth", self.bandwidth)
    }

    /// The score.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Gaussian {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let log = || Tensor::full([1], self.bandwidth.ln(), device);
        let log_bandwidth = self.learned.then(|| Param::from_tensor(log()));
        Gaussian { log_bandwidth, bandwidth: self.bandwidth }
    }
}

/// Gaussian kernel score, the logarithm of `exp(-|s - h|² / 2σ²)`:
/// `score(s, h) = -|s - h|² / 2σ²`.
///
/// With a softmax, attention is then kernel regression (Nadaraya 1964; Watson 1964), as which Tsai
/// et al. (2019) read the Transformer. One bandwidth serves all heads. [`L2`](super::L2) has a scale
/// that the width sets instead.
///
/// The differences of all pairs, `[batch, heads, queries, keys, d]`, are materialised, as for
/// [`L2`](super::L2).
#[derive(Module, Debug)]
pub struct Gaussian {
    /// `ln σ`, `[1]`, where it is learned: so `σ` stays positive.
    pub log_bandwidth: Option<Param<Tensor<1>>>,
    bandwidth: f64,
}

impl Score for Gaussian {
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If query and key differ in width or batch, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        assert_width("gaussian", "key", &key, query.dims()[3]);
        let distances = grouped(query, key, squared_distances);
        match &self.log_bandwidth {
            None => distances * (-0.5 / self.bandwidth.powi(2)),
            Some(log) => {
                let factor = log.val().mul_scalar(-2.0).exp().mul_scalar(-0.5); // -1 / 2σ²
                let factor = factor.cast(FloatDType::from(distances.dtype()));
                distances * factor.reshape([1, 1, 1, 1])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "gaussian score: bandwidth must be from 1e-18 to 1e18, got 0")]
    fn a_bandwidth_of_zero_is_refused() {
        GaussianConfig::new().with_bandwidth(0.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gaussian score: key [2, 3, 7, 5] has width 5, expected 4")]
    fn widths_must_agree() {
        let device = Device::flex();
        let score = GaussianConfig::new().init(&device);
        score.score(Tensor::ones([2, 3, 6, 4], &device), Tensor::ones([2, 3, 7, 5], &device));
    }
}
