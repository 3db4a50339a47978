//! Concat score.

use super::{Score, ScoreError, additive::energy, assert_width, grouped};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Concat`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcatConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Width of a key.
    pub d_key: usize,
    /// Width of the hidden layer behind the concatenation.
    pub d_hidden: usize,
}

impl ConcatConfig {
    /// A concat score for queries and keys of these widths.
    pub fn new(d_query: usize, d_key: usize, d_hidden: usize) -> Self {
        Self { d_query, d_key, d_hidden }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let Self { d_query, d_key, d_hidden } = *self;
        let widths = [("d_query", d_query), ("d_key", d_key), ("d_hidden", d_hidden)];
        ScoreError::check_widths("concat", &widths)
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Concat {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        Concat {
            joint: linear(self.d_query + self.d_key, self.d_hidden),
            energy: linear(self.d_hidden, 1),
            d_query: self.d_query,
        }
    }
}

/// Concat score, Luong et al. (2015), equation 8: `score(s, h) = v · tanh(W [s; h])`.
///
/// `[s; h]` is the concatenation of query and key, and `W` one matrix over both. The concatenation
/// of every pair is never built: `W [s; h] = W₁ s + W₂ h` with `W = [W₁ W₂]`, where `W₂ h` is the
/// projection of the keys. So it computes what [`Additive`](super::Additive) does; what differs is
/// the parameter, one joint matrix and its initial scale.
#[derive(Module, Debug)]
pub struct Concat {
    /// `W`, `[d_query + d_key, d_hidden]`, without bias: first the rows that meet the query.
    pub joint: Linear,
    /// `v`, without bias.
    pub energy: Linear,
    d_query: usize,
}

impl Score for Concat {
    /// `W₂ h`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d_key]`
    /// - result: `[batch, kv_heads, keys, d_hidden]`
    ///
    /// # Panics
    /// If the keys are not `d_key` wide.
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        let d_key = self.joint.weight.dims()[0] - self.d_query;
        assert_width("concat", "key", &key, d_key);
        linear(key, self.joint.weight.val().narrow(0, self.d_query, d_key), None)
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
        let [_, d_hidden] = self.joint.weight.dims();
        assert_width("concat", "query", &query, self.d_query);
        assert_width("concat", "projected key", &key, d_hidden);
        let projected = linear(query, self.joint.weight.val().narrow(0, 0, self.d_query), None);
        grouped(projected, key, |ws, wh| energy(&self.energy, ws, wh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(device: &Device) -> Concat {
        ConcatConfig::new(4, 5, 8).init(device)
    }

    #[test]
    #[should_panic(expected = "concat score: d_query must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        ConcatConfig::new(0, 5, 8).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "concat score: key [2, 3, 7, 4] has width 4, expected 5")]
    fn keys_have_the_configured_width() {
        let device = Device::flex();
        score(&device).project_keys(Tensor::ones([2, 3, 7, 4], &device));
    }

    #[test]
    #[should_panic(expected = "concat score: query [2, 3, 6, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 8], &device);
        score(&device).score(Tensor::ones([2, 3, 6, 5], &device), key);
    }

    #[test]
    #[should_panic(expected = "concat score: projected key [2, 3, 7, 5] has width 5, expected 8")]
    fn keys_must_be_projected_first() {
        let device = Device::flex();
        let key = Tensor::ones([2, 3, 7, 5], &device);
        score(&device).score(Tensor::ones([2, 3, 6, 4], &device), key);
    }
}
