//! Additive score with coverage.

use super::looking_back::{assert_follows, energy_with};
use super::{Score, ScoreError, additive::energy, assert_width, grouped};
use crate::alignment::Past;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Coverage`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Width of a key.
    pub d_key: usize,
    /// Width of the hidden layer in which they meet.
    pub d_hidden: usize,
}

impl CoverageConfig {
    /// A score with coverage for queries and keys of these widths.
    pub fn new(d_query: usize, d_key: usize, d_hidden: usize) -> Self {
        Self { d_query, d_key, d_hidden }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let Self { d_query, d_key, d_hidden } = *self;
        let widths = [("d_query", d_query), ("d_key", d_key), ("d_hidden", d_hidden)];
        ScoreError::check_widths("coverage", &widths)
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Coverage {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to, bias| LinearConfig::new(from, to).with_bias(bias).init(device);
        Coverage {
            query: linear(self.d_query, self.d_hidden, true),
            key: linear(self.d_key, self.d_hidden, false),
            coverage: linear(1, self.d_hidden, false),
            energy: linear(self.d_hidden, 1, false),
        }
    }
}

/// Additive score with coverage, See et al. (2017), equations 10–11: with `c_j` the weights that key
/// `j` got from all queries before, summed,
/// `score(s, h_j) = v · tanh(W_h h_j + W_s s + w_c c_j + b)`.
///
/// Before the first query is `c = 0`, as in the paper. Queries are scored one after another; each
/// costs `k · d_hidden` beside what [`Additive`](super::Additive) costs. What it gives up is that
/// queries may be scored all at once. A query whose weights are NaN makes those behind it NaN.
/// [`coverage_loss`](crate::coverage::coverage_loss) penalizes attention to the same keys again.
#[derive(Module, Debug)]
pub struct Coverage {
    /// `W_s` and `b`.
    pub query: Linear,
    /// `W_h`, without bias.
    pub key: Linear,
    /// `w_c`, `[1, d_hidden]`, without bias.
    pub coverage: Linear,
    /// `v`, without bias.
    pub energy: Linear,
}

impl Coverage {
    fn check(&self, query: &Tensor<4>, key: &Tensor<4>) {
        let [d_query, d_hidden] = self.query.weight.dims();
        assert_width("coverage", "query", query, d_query);
        assert_width("coverage", "projected key", key, d_hidden);
    }
}

impl Score for Coverage {
    /// `W_h h`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d_key]`
    /// - result: `[batch, kv_heads, keys, d_hidden]`
    ///
    /// # Panics
    /// If the keys are not `d_key` wide.
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        assert_width("coverage", "key", &key, self.key.weight.dims()[0]);
        self.key.forward(key)
    }

    /// As the first query is scored, for each query.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d_query]`
    /// - `key`: `[batch, kv_heads, keys, d_hidden]`, projected
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If the queries are not `d_query` or the projected keys not `d_hidden` wide, their batches
    /// differ, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        self.check(&query, &key);
        grouped(self.query.forward(query), key, |ws, wh| energy(&self.energy, ws, wh))
    }

    /// # Shapes
    /// - `query`: `[batch, heads, 1, d_query]`; more queries than one only at the start
    /// - `key`: `[batch, kv_heads, keys, d_hidden]`, projected
    /// - result: `[batch, heads, 1, keys]`
    ///
    /// # Panics
    /// As [`score`](Self::score), if there is more than one query, or the past is of another shape.
    fn score_after(&self, query: Tensor<4>, key: Tensor<4>, past: &Past) -> Tensor<4> {
        let Some(covered) = past.coverage.clone() else { return self.score(query, key) };
        self.check(&query, &key);
        assert_follows("coverage", &query, &key, past, &covered);
        let feature = self.coverage.forward(covered.unsqueeze_dim::<4>(3)); // [b, h, k, a]
        energy_with(&self.energy, self.query.forward(query), key, feature)
    }

    fn looks_back(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: [usize; 4], key: [usize; 4], coverage: [usize; 3]) -> Tensor<4> {
        let device = Device::flex();
        let score = CoverageConfig::new(4, 5, 8).init(&device);
        let (query, key) = (Tensor::ones(query, &device), Tensor::ones(key, &device));
        let coverage = Some(Tensor::ones(coverage, &device));
        score.score_after(query, key, &Past { steps: 3, coverage, ..Past::start() })
    }

    #[test]
    #[should_panic(expected = "coverage score: d_key must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        CoverageConfig::new(4, 0, 8).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "coverage score: key [2, 3, 7, 4] has width 4, expected 5")]
    fn keys_have_the_configured_width() {
        let device = Device::flex();
        let score = CoverageConfig::new(4, 5, 8).init(&device);
        score.project_keys(Tensor::ones([2, 3, 7, 4], &device));
    }

    #[test]
    #[should_panic(expected = "coverage score: query [2, 3, 1, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        score([2, 3, 1, 5], [2, 3, 7, 8], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "coverage score: projected key [2, 3, 7, 5] has width 5, expected 8")]
    fn keys_must_be_projected_first() {
        score([2, 3, 1, 4], [2, 3, 7, 5], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "coverage score: 6 queries at once after 3 steps, expected 1")]
    fn queries_come_one_after_another() {
        score([2, 3, 6, 4], [2, 3, 7, 8], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "coverage score: a past of [2, 3, 5], expected [2, 3, 7]")]
    fn the_past_must_be_of_the_same_shape() {
        score([2, 3, 1, 4], [2, 3, 7, 8], [2, 3, 5]);
    }
}
