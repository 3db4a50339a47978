//! Adaptive attention span.

use super::range::range;
use super::{Aligned, Alignment, AlignmentError, Scores};
use crate::Mask;
use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`AdaptiveSpan`] alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveSpanConfig {
    /// Number of heads, each of which learns its span.
    pub heads: usize,
    /// The longest span, in keys.
    pub max_span: usize,
    /// `R`: over how many keys behind the span the mask falls from 1 to 0.
    #[serde(default = "paper_ramp")]
    pub ramp: usize,
    /// The span of each head at first.
    #[serde(default)]
    pub initial: f64,
}

/// The ramp of Sukhbaatar et al. (2019).
fn paper_ramp() -> usize {
    32
}

impl AdaptiveSpanConfig {
    /// Spans that start at 0, with a ramp of 32 keys.
    pub fn new(heads: usize, max_span: usize) -> Self {
        Self { heads, max_span, ramp: paper_ramp(), initial: 0.0 }
    }

    /// Another ramp.
    pub fn with_ramp(self, ramp: usize) -> Self {
        Self { ramp, ..self }
    }

    /// Other spans at first.
    pub fn with_initial(self, initial: f64) -> Self {
        Self { initial, ..self }
    }

    /// # Errors
    /// If a size is zero, or the first spans are not in `[0, max_span]`.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        let Self { heads, max_span, ramp, initial } = *self;
        let sizes = [("heads", heads), ("max_span", max_span), ("ramp", ramp)];
        AlignmentError::check_sizes("adaptive_span", &sizes)?;
        if (0.0..=max_span as f64).contains(&initial) {
            Ok(())
        } else {
            Err(AlignmentError::Range {
                alignment: "adaptive_span",
                field: "initial",
                range: "in [0, max_span]",
                value: initial,
            })
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AdaptiveSpan {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let share = self.initial / self.max_span as f64;
        AdaptiveSpan {
            shares: Param::from_tensor(Tensor::full([self.heads], share, device)),
            max_span: self.max_span,
            ramp: self.ramp,
        }
    }
}

/// Adaptive attention span, Sukhbaatar et al. (2019): each head learns the distance of its farthest key.
///
/// `w_j = m_z(p - j) exp(s_j) / Σ_l m_z(p - l) exp(s_l)` with the soft mask
/// `m_z(x) = min(max((R + z - x) / R, 0), 1)` of the distance: 1 up to the span `z`, then falling to
/// 0 over `R` keys.
///
/// `p = i + keys - queries` is the position of query `i` among the keys, as in a
/// [`Mask`]: the last query belongs to the last key. Keys to the right of it have a negative distance
/// and `m = 1`; a [causal](Mask::causal) mask hides them. A query that sees no key with `m > 0` gets
/// weights of 0.
///
/// # Learning
/// What is learned is the share of `max_span`, so that a step of an optimizer moves a span by so many
/// times its learning rate. The share is clamped to `[0, 1]` where it is used, and the weights'
/// gradient passes through the clamp, or else a span that was once at its end would stay there. Add
/// [`penalty`](Self::penalty) to the loss, else no span has a reason to be short.
///
/// # Cost
/// `q · k` in time and memory here, as a softmax. What is saved is saved by [`mask`](Self::mask):
/// keys outside of it have the weight 0 in every head, so that a windowed pass may skip them, and a
/// cache drop them; then it is `q (z + R)`. What it gives up is all keys further away than the
/// span.
#[derive(Module, Debug)]
pub struct AdaptiveSpan {
    /// The spans, divided by the longest one, `[heads]`.
    pub shares: Param<Tensor<1>>,
    #[module(skip)]
    max_span: usize,
    #[module(skip)]
    ramp: usize,
}

impl AdaptiveSpan {
    /// `z`: the spans of the heads in keys, `[heads]`, in `[0, max_span]`.
    pub fn spans(&self) -> Tensor<1> {
        self.shares.val().clamp(0.0, 1.0) * self.max_span as f64
    }

    /// `λ / M Σ z`: the mean span of the `M` heads, weighted by `lambda`, to be added to the loss,
    /// `[1]`.
    pub fn penalty(&self, lambda: f64) -> Tensor<1> {
        self.spans().mean() * lambda
    }

    /// The window that holds every key to which a head gives a weight, as spans now are: keys up to
    /// the largest span and its ramp on the left, all on the right.
    ///
    /// Reads the spans back from the device.
    pub fn mask(&self) -> Mask {
        let reach = (self.spans() + self.ramp as f64).max().ceil();
        let reach: f64 = reach.into_data().iter::<f64>().next().unwrap_or_default();
        // m > 0 where x < R + z; R ≥ 1.
        Mask::window(Some((reach as usize).saturating_sub(1)), None)
    }

    /// `m_z` of each head and distance, `[1, heads, queries, keys]`.
    fn soft_mask(&self, scores: &Scores<'_>) -> Tensor<4> {
        let [_, heads, q, k] = scores.dims();
        let shares = self.shares.val();
        // The value is clamped, the gradient is not.
        let free = shares.clone() - shares.detach();
        let spans = self.spans().detach() + free * self.max_span as f64;
        let reach = spans.cast(FloatDType::from(scores.values.dtype())) + self.ramp as f64;
        let (k, q, last) = (k as i64, q as i64, (k as i64) - scores.behind as i64);
        let position = range(last - q..last, &scores.values).reshape([1, 1, q, 1]);
        let distance = position - range(0..k, &scores.values).reshape([1, 1, 1, k]); // [1, 1, q, k]
        let height = reach.reshape([1, heads, 1, 1]) - distance; // [1, h, q, k]
        (height * (self.ramp as f64).recip()).clamp(0.0, 1.0)
    }
}

impl Alignment for AdaptiveSpan {
    /// # Panics
    /// If there are spans for another number of heads.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let dims @ [_, heads, ..] = scores.dims();
        let [found] = self.shares.dims();
        assert_eq!(
            found, heads,
            "adaptive_span alignment: {found} spans, scores {dims:?} of {heads} heads"
        );
        let soft = self.soft_mask(scores).expand(dims);
        let within = soft.clone().detach().greater_elem(0.0);
        // The largest of those that have a weight: beside a larger one they would all vanish.
        let logits = scores.within(within).hidden_as(f64::NEG_INFINITY);
        let largest = logits.clone().detach().max_dim(3); // [b, h, q, 1]
        let empty = largest.clone().equal_elem(f64::NEG_INFINITY);
        let exp = soft * (logits - largest.mask_fill(empty.clone(), 0.0)).exp();
        let sum = exp.clone().sum_dim(3).mask_fill(empty, 1.0);
        Aligned::new(exp / sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::{Past, weigh};

    #[test]
    #[should_panic(expected = "adaptive_span alignment: ramp must be at least 1, got 0")]
    fn a_ramp_of_zero_is_refused() {
        AdaptiveSpanConfig::new(3, 8).with_ramp(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "adaptive_span alignment: initial must be in [0, max_span], got 9")]
    fn a_span_beyond_the_longest_is_refused() {
        AdaptiveSpanConfig::new(3, 8).with_initial(9.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "adaptive_span alignment: 2 spans, scores [2, 3, 6, 7] of 3 heads")]
    fn there_is_a_span_for_each_head() {
        let device = Device::flex();
        let alignment = AdaptiveSpanConfig::new(2, 8).init(&device);
        let scores = Tensor::ones([2, 3, 6, 7], &device);
        weigh(&alignment, scores, None, &Mask::open(), &Past::start());
    }
}
