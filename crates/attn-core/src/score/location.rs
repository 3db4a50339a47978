//! Location score.

use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Location`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Number of keys that have a score; a sequence may be shorter, but not longer.
    pub max_keys: usize,
}

impl LocationConfig {
    /// A location score for queries of this width and up to so many keys.
    pub fn new(d_query: usize, max_keys: usize) -> Self {
        Self { d_query, max_keys }
    }

    /// # Errors
    /// If a size is zero.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let sizes = [("d_query", self.d_query), ("max_keys", self.max_keys)];
        ScoreError::check_widths("location", &sizes)
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Location {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let config = LinearConfig::new(self.d_query, self.max_keys).with_bias(false);
        Location { query: config.init(device) }
    }
}

/// Location score, Luong et al. (2015), section 3.1, "location": `score(s, h_j) = (W s)_j`.
///
/// From the query alone: what a key holds does not matter, only where it is. Time is that of a dot
/// product with keys of the width of the query. What it gives up is content, and sequences of more
/// than `max_keys` keys: the paper ignores their end, here they are refused. For shorter ones only
/// the first scores count, as in the paper.
#[derive(Module, Debug)]
pub struct Location {
    /// `W`, `[d_query, max_keys]`, without bias.
    pub query: Linear,
}

impl Score for Location {
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d_query]`
    /// - `key`: `[batch, kv_heads, keys, _]`, of which only the number counts
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If the queries are not `d_query` wide, there are more than `max_keys` keys, the batches
    /// differ, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let [d_query, max_keys] = self.query.weight.dims();
        let [_, _, keys, _] = key.dims();
        assert_width("location", "query", &query, d_query);
        assert!(keys <= max_keys, "location score: {keys} keys, at most {max_keys} have a score");
        let weight = self.query.weight.val().narrow(1, 0, keys);
        grouped(query, key, |s, _| linear(s, weight, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: [usize; 4], key: [usize; 4]) -> Tensor<4> {
        let device = Device::flex();
        let score = LocationConfig::new(4, 7).init(&device);
        score.score(Tensor::ones(query, &device), Tensor::ones(key, &device))
    }

    #[test]
    fn there_may_be_fewer_keys() {
        assert_eq!(score([2, 6, 3, 4], [2, 3, 5, 8]).dims(), [2, 6, 3, 5]);
    }

    #[test]
    #[should_panic(expected = "location score: max_keys must be at least 1, got 0")]
    fn no_key_at_all_is_refused() {
        LocationConfig::new(4, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "location score: query [2, 3, 6, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        score([2, 3, 6, 5], [2, 3, 7, 4]);
    }

    #[test]
    #[should_panic(expected = "location score: 8 keys, at most 7 have a score")]
    fn more_keys_than_scores_are_refused() {
        score([2, 3, 6, 4], [2, 3, 8, 4]);
    }
}
