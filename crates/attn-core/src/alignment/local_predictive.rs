//! Local attention around a position that is predicted.

use super::range::range;
use super::{Aligned, Alignment, AlignmentError, Scores};
use crate::logistic::sigmoid;
use attn_kernels::attention::unfused;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`LocalPredictive`] alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPredictiveConfig {
    /// `D`: how far the window reaches on either side of its centre.
    pub d: usize,
    /// Width of a query.
    pub d_query: usize,
    /// Width of the hidden layer that predicts.
    pub d_hidden: usize,
}

impl LocalPredictiveConfig {
    /// A window `[p_t - d, p_t + d]`, for queries of this width.
    pub fn new(d: usize, d_query: usize, d_hidden: usize) -> Self {
        Self { d, d_query, d_hidden }
    }

    /// # Errors
    /// If the window or a width is zero.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        let Self { d, d_query, d_hidden } = *self;
        let sizes = [("d", d), ("d_query", d_query), ("d_hidden", d_hidden)];
        AlignmentError::check_sizes("local_p", &sizes)
    }

    /// The alignment, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> LocalPredictive {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        LocalPredictive {
            hidden: linear(self.d_query, self.d_hidden),
            centre: linear(self.d_hidden, 1),
            d: self.d,
        }
    }
}

/// Local attention with predictive alignment, "local-p", Luong et al. (2015), equations 9–10:
/// `p_t = S · σ(v_p · tanh(W_p h_t))`, and the softmax over the window `[p_t - D, p_t + D]` times
/// `exp(-(s - p_t)² / (2σ²))` with `σ = D / 2`.
///
/// As in the paper, the weights are not normalized again: they sum to 1 at most. The gradient reaches
/// `p_t` through the Gaussian; that a key enters or leaves the window has none.
///
/// # Which keys count
/// `S` is the number of keys that the query sees, and `s` the number of a key among these: 0 for the
/// first that is visible. Under [padding](crate::Mask::padding) and
/// [causal](crate::Mask::causal) masks that is the real length and the place of the key. Under masks
/// that are no prefix, what is hidden takes no room: padding on the left gives the weights of padding
/// on the right, and in a window `p_t` is a place in that window. So the window of a query that sees
/// any key holds one.
///
/// Time and memory are `q · k`. What it gives up is everything outside of the window.
#[derive(Module, Debug)]
pub struct LocalPredictive {
    /// `W_p`, without bias.
    pub hidden: Linear,
    /// `v_p`, without bias.
    pub centre: Linear,
    #[module(skip)]
    d: usize,
}

impl LocalPredictive {
    /// `p_t`: where each query looks, in keys that it sees, `[batch, heads, queries, 1]`.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d_query]`
    /// - `lengths`: `S` of each query, `[batch, heads, queries, 1]`, any of them 1 to hold for all
    ///
    /// # Panics
    /// If the queries are not `d_query` wide or the lengths of another shape.
    pub fn centres(&self, query: Tensor<4>, lengths: Tensor<4>) -> Tensor<4> {
        let [d_query, _] = self.hidden.weight.dims();
        let [b, h, q, width] = query.dims();
        assert_eq!(
            width,
            d_query,
            "local_p alignment: query {:?} has width {width}, expected {d_query}",
            query.dims()
        );
        let fits = lengths.dims().iter().zip([b, h, q, 1]).all(|(&n, size)| n == 1 || n == size);
        assert!(
            fits,
            "local_p alignment: lengths {:?} do not fit query {:?}",
            lengths.dims(),
            query.dims()
        );
        let query = query.cast(FloatDType::from(self.hidden.weight.dtype()));
        let logit = self.centre.forward(self.hidden.forward(query).tanh()); // [b, h, q, 1]
        let share = sigmoid(logit.cast(FloatDType::from(lengths.dtype())));
        share * lengths
    }

    /// How many keys each query sees, `[b, h, q, 1]`, and their numbers, `[b, h, q, k]`, or 1 for
    /// what holds for all; a hidden key has a number too, which does not matter.
    fn count(scores: &Scores<'_>) -> (Tensor<4>, Tensor<4>) {
        let [.., k] = scores.dims();
        match &scores.visible {
            None => {
                let number = range(0..k as i64, &scores.values).reshape([1, 1, 1, k]);
                (number.clone().slice_dim(3, k - 1..k) + 1.0, number)
            }
            Some(visible) => {
                let dtype = FloatDType::from(scores.values.dtype());
                let one = visible.clone().float().cast(dtype);
                (one.clone().sum_dim(3), one.cumsum(3) - 1.0)
            }
        }
    }
}

impl Alignment for LocalPredictive {
    /// # Panics
    /// If the scores come without queries, or these are of another number or not `d_query` wide.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let dims @ [b, h, q, _] = scores.dims();
        let Some(query) = scores.query else {
            panic!("local_p alignment: needs the queries, but the scores {dims:?} came alone");
        };
        assert_eq!(
            query.dims()[..3],
            [b, h, q],
            "local_p alignment: query {:?} does not fit scores {dims:?}",
            query.dims()
        );
        let broken = query.clone().detach().is_finite().bool_not();
        let query = query.clone().mask_fill(broken.clone(), 0.0);

        let (lengths, number) = Self::count(scores);
        let centre = self.centres(query, lengths); // [b, h, q, 1]
        let distance = (number - centre).expand(dims); // [b, h, q, k]
        let window = distance.clone().detach().abs().lower_equal_elem(self.d as f64);
        let softmax = scores.within(window).hidden_as(f64::NEG_INFINITY);
        let softmax = unfused::Softmax::new(softmax, None).weights;
        // 2σ² = D² / 2
        let gaussian = (distance.square() * (-2.0 / (self.d as f64).powi(2))).exp();
        let weights = softmax * gaussian;
        Aligned::new(weights.mask_fill(broken.any_dim(3).expand(dims), f32::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;
    use crate::alignment::{Past, weigh};

    fn align(query: Option<[usize; 4]>) {
        let device = Device::flex();
        let alignment = LocalPredictiveConfig::new(2, 5, 3).init(&device);
        let scores = Tensor::ones([2, 3, 6, 7], &device);
        let query = query.map(|dims| Tensor::ones(dims, &device));
        weigh(&alignment, scores, query.as_ref(), &Mask::open(), &Past::start());
    }

    #[test]
    #[should_panic(expected = "local_p alignment: d must be at least 1, got 0")]
    fn a_window_of_zero_is_refused() {
        LocalPredictiveConfig::new(0, 5, 3).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "local_p alignment: d_hidden must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        LocalPredictiveConfig::new(2, 5, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "local_p alignment: needs the queries, but the scores [2, 3, 6, 7]")]
    fn scores_alone_do_not_say_where_to_look() {
        align(None);
    }

    #[test]
    #[should_panic(expected = "local_p alignment: query [2, 3, 6, 4] has width 4, expected 5")]
    fn queries_have_the_configured_width() {
        align(Some([2, 3, 6, 4]));
    }

    #[test]
    #[should_panic(expected = "query [2, 3, 4, 5] does not fit scores [2, 3, 6, 7]")]
    fn there_is_a_query_for_each_row() {
        align(Some([2, 3, 4, 5]));
    }

    #[test]
    #[should_panic(expected = "lengths [2, 3, 4, 1] do not fit query [2, 3, 6, 5]")]
    fn there_is_a_length_for_each_query() {
        let device = Device::flex();
        let alignment = LocalPredictiveConfig::new(2, 5, 3).init(&device);
        let query = Tensor::ones([2, 3, 6, 5], &device);
        alignment.centres(query, Tensor::ones([2, 3, 4, 1], &device));
    }
}
