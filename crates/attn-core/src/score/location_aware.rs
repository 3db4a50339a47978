//! Location-aware score.

use super::looking_back::{assert_follows, energy_with};
use super::{Score, ScoreError, additive::energy, assert_width, grouped};
use crate::alignment::Past;
use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Which of the past weights a [`LocationAware`] score convolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convolved {
    /// Those of the query before (Chorowski et al. 2015, equation 8).
    #[default]
    Last,
    /// Those of all queries before, summed (Tacotron 2, Shen et al. 2018, section 2.2).
    Cumulative,
}

/// Configuration of a [`LocationAware`] score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationAwareConfig {
    /// Width of a query.
    pub d_query: usize,
    /// Width of a key.
    pub d_key: usize,
    /// Width of the hidden layer in which they meet.
    pub d_hidden: usize,
    /// Number of filters of the convolution.
    pub filters: usize,
    /// Number of keys that a filter covers, odd, so that it has a middle.
    pub kernel: usize,
    /// What is convolved.
    #[serde(default)]
    pub convolved: Convolved,
}

impl LocationAwareConfig {
    /// A location-aware score for queries and keys of these widths, with the weights of the last
    /// query convolved by so many filters of this size.
    ///
    /// Shen et al. (2018) take 32 filters of 31 keys.
    pub fn new(
        d_query: usize,
        d_key: usize,
        d_hidden: usize,
        filters: usize,
        kernel: usize,
    ) -> Self {
        Self { d_query, d_key, d_hidden, filters, kernel, convolved: Convolved::default() }
    }

    /// Something else is convolved.
    pub fn with_convolved(self, convolved: Convolved) -> Self {
        Self { convolved, ..self }
    }

    /// # Errors
    /// If a size is zero, or the kernel even.
    pub fn validate(&self) -> Result<(), ScoreError> {
        let Self { d_query, d_key, d_hidden, filters, kernel, .. } = *self;
        let widths = [
            ("d_query", d_query),
            ("d_key", d_key),
            ("d_hidden", d_hidden),
            ("filters", filters),
            ("kernel", kernel),
        ];
        ScoreError::check_widths(NAME, &widths)?;
        if kernel.is_multiple_of(2) {
            return Err(ScoreError::EvenKernel { score: NAME, kernel });
        }
        Ok(())
    }

    /// The score, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> LocationAware {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to, bias| LinearConfig::new(from, to).with_bias(bias).init(device);
        let reach = self.kernel / 2;
        LocationAware {
            query: linear(self.d_query, self.d_hidden, true),
            key: linear(self.d_key, self.d_hidden, false),
            filters: Conv1dConfig::new(1, self.filters, self.kernel)
                .with_padding(PaddingConfig1d::Explicit(reach, reach))
                .with_bias(false)
                .init(device),
            location: linear(self.filters, self.d_hidden, false),
            energy: linear(self.d_hidden, 1, false),
            convolved: self.convolved,
        }
    }
}

const NAME: &str = "location-aware";

/// Location-aware score, Chorowski et al. (2015), equations 8–9: with `α` the weights of the query
/// before, `f = F * α` and `score(s, h_j) = w · tanh(W s + V h_j + U f_j + b)`.
///
/// The convolution is centred, with zeros beyond the ends: `f_j = Σ_r F_r α_{j + r}`, `r` from
/// `-(kernel - 1) / 2` to `(kernel - 1) / 2`, as in every framework without turning `F` around.
///
/// Before the first query is `α = 0`, so that it is scored by content alone. Uniform weights, from
/// which ESPnet starts, would need to know which keys are padding, and a score is not told.
///
/// Queries are scored one after another; each costs `k · (kernel · filters + filters · d_hidden)`
/// beside what [`Additive`](super::Additive) costs. What it gives up is that queries may be scored
/// all at once. A query whose weights are NaN makes those behind it NaN.
#[derive(Module, Debug)]
pub struct LocationAware {
    /// `W` and `b`.
    pub query: Linear,
    /// `V`, without bias.
    pub key: Linear,
    /// `F`, `[filters, 1, kernel]`, without bias.
    pub filters: Conv1d,
    /// `U`, without bias.
    pub location: Linear,
    /// `w`, without bias.
    pub energy: Linear,
    #[module(skip)]
    convolved: Convolved,
}

impl LocationAware {
    fn check(&self, query: &Tensor<4>, key: &Tensor<4>) {
        let [d_query, d_hidden] = self.query.weight.dims();
        assert_width(NAME, "query", query, d_query);
        assert_width(NAME, "projected key", key, d_hidden);
    }
}

impl Score for LocationAware {
    /// `V h`.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d_key]`
    /// - result: `[batch, kv_heads, keys, d_hidden]`
    ///
    /// # Panics
    /// If the keys are not `d_key` wide.
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        assert_width(NAME, "key", &key, self.key.weight.dims()[0]);
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
        grouped(self.query.forward(query), key, |ws, vh| energy(&self.energy, ws, vh))
    }

    /// # Shapes
    /// - `query`: `[batch, heads, 1, d_query]`; more queries than one only at the start
    /// - `key`: `[batch, kv_heads, keys, d_hidden]`, projected
    /// - result: `[batch, heads, 1, keys]`
    ///
    /// # Panics
    /// As [`score`](Self::score), if there is more than one query, or the past is of another shape.
    fn score_after(&self, query: Tensor<4>, key: Tensor<4>, past: &Past) -> Tensor<4> {
        let alpha = match self.convolved {
            Convolved::Last => &past.weights,
            Convolved::Cumulative => &past.coverage,
        };
        let Some(alpha) = alpha.clone() else { return self.score(query, key) };
        self.check(&query, &key);
        assert_follows(NAME, &query, &key, past, &alpha);
        let [b, h, k] = alpha.dims();
        let f = self.filters.forward(alpha.reshape([b * h, 1, k])); // [b·h, filters, k]
        let uf = self.location.forward(f.swap_dims(1, 2)); // [b·h, k, a]
        let a = uf.dims()[2];
        energy_with(&self.energy, self.query.forward(query), key, uf.reshape([b, h, k, a]))
    }

    fn looks_back(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(dims: [usize; 3], device: &Device) -> Past {
        Past { steps: 3, weights: Some(Tensor::ones(dims, device)), ..Past::start() }
    }

    fn score(query: [usize; 4], key: [usize; 4], weights: [usize; 3]) -> Tensor<4> {
        let device = Device::flex();
        let score = LocationAwareConfig::new(4, 5, 8, 2, 3).init(&device);
        let (query, key) = (Tensor::ones(query, &device), Tensor::ones(key, &device));
        score.score_after(query, key, &past(weights, &device))
    }

    #[test]
    #[should_panic(expected = "location-aware score: filters must be at least 1, got 0")]
    fn no_filter_is_refused() {
        LocationAwareConfig::new(4, 5, 8, 0, 3).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "location-aware score: kernel must be odd, got 4")]
    fn a_kernel_without_a_middle_is_refused() {
        LocationAwareConfig::new(4, 5, 8, 2, 4).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "location-aware score: key [2, 3, 7, 4] has width 4, expected 5")]
    fn keys_have_the_configured_width() {
        let device = Device::flex();
        let score = LocationAwareConfig::new(4, 5, 8, 2, 3).init(&device);
        score.project_keys(Tensor::ones([2, 3, 7, 4], &device));
    }

    #[test]
    #[should_panic(expected = "location-aware score: query [2, 3, 1, 5] has width 5, expected 4")]
    fn queries_have_the_configured_width() {
        score([2, 3, 1, 5], [2, 3, 7, 8], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "projected key [2, 3, 7, 5] has width 5, expected 8")]
    fn keys_must_be_projected_first() {
        score([2, 3, 1, 4], [2, 3, 7, 5], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "location-aware score: 6 queries at once after 3 steps, expected 1")]
    fn queries_come_one_after_another() {
        score([2, 3, 6, 4], [2, 3, 7, 8], [2, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "location-aware score: a past of [2, 1, 7], expected [2, 3, 7]")]
    fn the_past_must_be_of_the_same_shape() {
        score([2, 3, 1, 4], [2, 3, 7, 8], [2, 1, 7]);
    }
}
