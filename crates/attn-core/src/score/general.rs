//! General (bilinear) score.

use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`General`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneralConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Width of a key.
    pub d_key: usize,
}

impl GeneralConfig {
    /// A general score for queries and keys of these widths.
    pub fn new(d_query: usize, d_key: usize) -> Self {
        Self { d_query, d_key }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let widths = [("d_query", self.d_query), ("d_key", self.d_key)];
        ScoreError::check_widths("general", &widths)
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> General {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        General { key: LinearConfig::new(self.d_key, self.d_query).with_bias(false).init(device) }
    }
}

/// General score, Luong et al. (2015), equation 8: `score(s, h) = s · W h`.
///
/// `W h` does not depend on the query, so it is the projection of the keys.
#[derive(Module, Debug)]
pub struct General {
    /// `W`, without bias.
    pub key: Linear,
}

impl Score for General {
    /// `W h`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d_key]`
    /// - result: `[batch, kv_heads, keys, d_query]`
    ///
    /// # Panics
    /// If the keys are not `d_key` wide.
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        assert_width("general", "key", &key, self.key.weight.dims()[0]);
        self.key.forward(key)
    }

    /// # Shapes
    /// - `query`: `[batch, heads, queries, d_query]`
    /// - `key`: `[batch, kv_heads, keys, d_query]`, projected
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If queries or projected keys are not `d_query` wide, their batches differ, or the heads do
    /// not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let [_, d_query] = self.key.weight.dims();
        assert_width("general", "query", &query, d_query);
        assert_width("general", "projected key", &key, d_query);
        grouped(query, key, |s, wh| s.matmul(wh.transpose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "general score: d_key must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        GeneralConfig::new(3, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "general score: key [2, 3, 7, 4] has width 4, expected 5")]
    fn keys_have_the_configured_width() {
        let device = Device::flex();
        GeneralConfig::new(4, 5).init(&device).project_keys(Tensor::ones([2, 3, 7, 4], &device));
    }

    #[test]
    #[should_panic(expected = "general score: query [2, 3, 6, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 4], &device);
        GeneralConfig::new(4, 5).init(&device).score(Tensor::ones([2, 3, 6, 5], &device), key);
    }

    #[test]
    #[should_panic(expected = "general score: projected key [2, 3, 7, 5] has width 5, expected 4")]
    fn keys_must_be_projected_first() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 5], &device);
        GeneralConfig::new(4, 5).init(&device).score(Tensor::ones([2, 3, 6, 4], &device), key);
    }
}
