//! Additive score.

use super::{Score, ScoreError, assert_width, grouped};
use attn_kernels::additive::scores;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`Additive`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditiveConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Width of a key.
    pub d_key: usize,
    /// Width of the hidden layer in which they meet.
    pub d_hidden: usize,
}

impl AdditiveConfig {
    /// An additive score for queries and keys of these widths.
    pub fn new(d_query: usize, d_key: usize, d_hidden: usize) -> Self {
        Self { d_query, d_key, d_hidden }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let Self { d_query, d_key, d_hidden } = *self;
        let widths = [("d_query", d_query), ("d_key", d_key), ("d_hidden", d_hidden)];
        ScoreError::check_widths("additive", &widths)
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Additive {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        Additive {
            query: linear(self.d_query, self.d_hidden),
            key: linear(self.d_key, self.d_hidden),
            energy: linear(self.d_hidden, 1),
        }
    }
}

/// Additive score, Bahdanau et al. (2015), appendix A.1.2:
/// `score(s, h) = v · tanh(W s + U h)`.
///
/// `U h` does not depend on the query, so it is the projection of the keys. The hidden layer of all
/// pairs, `[batch, heads, queries, keys, d_hidden]`, is in memory only where
/// [`scores`](attn_kernels::additive::scores) has no kernel.
#[derive(Module, Debug)]
pub struct Additive {
    /// `W`, without bias.
    pub query: Linear,
    /// `U`, without bias.
    pub key: Linear,
    /// `v`, without bias.
    pub energy: Linear,
}

impl Score for Additive {
    /// `U h`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d_key]`
    /// - result: `[batch, kv_heads, keys, d_hidden]`
    ///
    /// # Panics
    /// If the keys are not `d_key` wide.
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        assert_width("additive", "key", &key, self.key.weight.dims()[0]);
        self.key.forward(key)
    }

    /// # Shapes
    /// - `query`: `[batch, heads, queries, d_query]`
    /// - `key`: `[batch, kv_heads, keys, d_hidden]`, projected
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If the queries are not `d_query` or the projected keys not `d_hidden` wide, their batches
    /// differ, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let [d_query, d_hidden] = self.query.weight.dims();
        assert_width("additive", "query", &query, d_query);
        assert_width("additive", "projected key", &key, d_hidden);
        grouped(self.query.forward(query), key, |ws, uh| energy(&self.energy, ws, uh))
    }
}

/// `v · tanh(ws + uh)` of every pair: `[b, h, q, a]`, `[b, h, k, a]` → `[b, h, q, k]`.
pub(super) fn energy(v: &Linear, ws: Tensor<4>, uh: Tensor<4>) -> Tensor<4> {
    scores(ws, uh, v.weight.val().squeeze_dim(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(device: &Device) -> Additive {
        AdditiveConfig::new(4, 5, 8).init(device)
    }

    #[test]
    #[should_panic(expected = "additive score: d_hidden must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        AdditiveConfig::new(4, 5, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "additive score: key [2, 3, 7, 4] has width 4, expected 5")]
    fn keys_have_the_configured_width() {
        let device = Device::flex();
        score(&device).project_keys(Tensor::ones([2, 3, 7, 4], &device));
    }

    #[test]
    #[should_panic(expected = "additive score: query [2, 3, 6, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 8], &device);
        score(&device).score(Tensor::ones([2, 3, 6, 5], &device), key);
    }

    #[test]
    #[should_panic(expected = "additive score: projected key [2, 3, 7, 5] has width 5, expected 8")]
    fn keys_must_be_projected_first() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 5], &device);
        score(&device).score(Tensor::ones([2, 3, 6, 4], &device), key);
    }
}
