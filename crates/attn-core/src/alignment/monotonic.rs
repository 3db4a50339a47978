//! Monotonic attention.

use super::normal::normal;
use super::walk::Walk;
use super::{Aligned, Alignment, AlignmentError, Scores};
use crate::random;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Monotonic`] alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonotonicConfig {
    /// Standard deviation of the noise on the energies in training.
    pub noise: f64,
    /// `r`, what is added to each score, at first.
    pub offset: f64,
}

impl Default for MonotonicConfig {
    /// Noise of standard deviation 1, as Raffel et al. (2017) have it; an offset of −1, so that an
    /// untrained model tends to go on rather than to stop, and learns from keys far away.
    fn default() -> Self {
        Self { noise: 1.0, offset: -1.0 }
    }
}

impl MonotonicConfig {
    /// Standard normal noise, and an offset of −1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another standard deviation of the noise; 0 for none.
    pub fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// Another offset.
    pub fn with_offset(self, offset: f64) -> Self {
        Self { offset, ..self }
    }

    /// # Errors
    /// If the noise is not from 0 to 1e18, or the offset not finite.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        check("monotonic", self.noise, self.offset)
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Monotonic {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Monotonic {
            offset: scalar(self.offset, device),
            noise: self.noise,
            training: Param::from_bool(true),
        }
    }
}

/// What both monotonic alignments ask of noise and offset.
pub(super) fn check(
    alignment: &'static str,
    noise: f64,
    offset: f64,
) -> Result<(), AlignmentError> {
    let range = |field, range, value| Err(AlignmentError::Range { alignment, field, range, value });
    // Beyond, f32 makes an infinity of it, and 0 times that is no number.
    if !(0.0..=1e18).contains(&noise) {
        return range("noise", "from 0 to 1e18", noise);
    }
    if !offset.is_finite() {
        return range("offset", "finite", offset);
    }
    Ok(())
}

/// A number that is learned.
pub(super) fn scalar(value: f64, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::full([1], value, device))
}

/// A number that is learned, to be combined with scores.
pub(super) fn spread(scalar: &Param<Tensor<1>>, scores: &Scores<'_>) -> Tensor<4> {
    scalar.val().cast(FloatDType::from(scores.values.dtype())).reshape([1, 1, 1, 1])
}

/// Monotonic attention, Raffel et al. (2017): a query goes through the keys from where the one
/// before it stopped, and looks at the one key at which it stops.
///
/// At key `j` it stops with probability `p_ij = σ(e_ij + r)`, where `e` are the scores and `r` is
/// learned.
///
/// - **In training**, on a device with autodiff, the weights are the probabilities to stop,
///   `α_ij = p_ij Σ_{m ≤ j} α_{i-1,m} Π_{m ≤ l < j} (1 - p_il)` (equation 9, by the recurrence of
///   equations 11–14). Noise is added to the energies, `N(0, std²)`, so that the model learns to be
///   sure; it is drawn anew for each call, from the [`random`] stream, unless `std` is 0 or the module
///   is frozen.
/// - **Otherwise**, in decoding, the walk itself: the query stops at the first key with `p ≥ 0.5`,
///   whose weight is 1. This is the same recurrence with `p` rounded to 0 or 1.
///
/// A query that goes on past the last key looks at none: its weights are 0, and so are those of the
/// queries after it. So weights sum to 1 at most, and no less for an earlier query than for a later
/// one.
///
/// The energy function of the paper, with its normalized `v`, is a score and not made here.
///
/// # Masks
/// At a hidden key nobody stops, `p = 0`. Under a [causal](crate::Mask::causal) mask a query may
/// therefore go past the last key that it sees, and is then past the end. A query that sees no key at
/// all, as in padding, does not walk: the next one starts where the last one before it stopped. A
/// score that is not finite makes its own query's weights NaN, and counts as 0 for those after it.
///
/// # Cost
/// The queries wait for each other: `q` steps of `⌈log₂ k⌉` operations. Training keeps
/// `q · k · log k` numbers and takes `log q` times as long. What it gives up is to look back.
///
/// # Steps
/// The `α` of the last query is carried ([`Past::carry`](super::Past::carry)), so a sequence may be
/// read step by step, with the same result where there is no noise.
#[derive(Module, Debug)]
pub struct Monotonic {
    /// `r`, `[1]`.
    pub offset: Param<Tensor<1>>,
    #[module(skip)]
    noise: f64,
    training: Param<Flag>,
}

impl Alignment for Monotonic {
    /// # Panics
    /// If the past was of another shape.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let energy = scores.values.clone() + spread(&self.offset, scores);
        walk(energy, self.noise, &self.training, scores).align("monotonic", scores)
    }
}

/// The walk in training, or else in decoding.
pub(super) fn walk(
    energy: Tensor<4>,
    noise: f64,
    training: &Param<Flag>,
    scores: &Scores<'_>,
) -> Walk {
    if !scores.values.device().is_autodiff() {
        return Walk::hard(energy, scores);
    }
    let noisy = noise > 0.0 && training.is_enabled();
    let energy = if noisy {
        let drawn = normal(random::next_seed(), scores.past.steps, &scores.values);
        energy + drawn * noise
    } else {
        energy
    };
    Walk::soft(energy, scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;
    use crate::alignment::{Past, weigh};

    #[test]
    #[should_panic(expected = "monotonic alignment: noise must be from 0 to 1e18, got -1")]
    fn negative_noise_is_refused() {
        MonotonicConfig::new().with_noise(-1.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "monotonic alignment: offset must be finite, got inf")]
    fn an_offset_without_end_is_refused() {
        MonotonicConfig::new().with_offset(f64::INFINITY).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "the carry [2, 3, 8] of the past does not fit scores [2, 3, 6, 7]")]
    fn a_past_of_other_keys_is_refused() {
        let device = Device::flex();
        let past = Past { carry: Some(Tensor::zeros([2, 3, 8], &device)), ..Past::start() };
        let scores = Tensor::ones([2, 3, 6, 7], &device);
        weigh(&MonotonicConfig::new().init(&device), scores, None, &Mask::open(), &past);
    }
}
