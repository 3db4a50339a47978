//! Coverage: how much attention each key got so far, and what to make of too much or too little.
//!
//! [`Past::coverage`] is the sum that a decoder keeps; [`coverage`] are the sums that each query of a
//! whole sequence found. [`score::Coverage`](crate::score::Coverage) attends with it,
//! [`coverage_loss`] trains with it, and [`CoveragePenalty`] ranks hypotheses with it.
//!
//! ```
//! use attn_core::alignment::Past;
//! use attn_core::coverage::coverage_loss;
//! use burn::tensor::{Device, Tensor};
//!
//! // Two queries that look at the same one of three keys, and a third that looks elsewhere.
//! let rows = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]];
//! let weights = Tensor::<2>::from_data(rows, &Device::default()).unsqueeze::<4>();
//! let loss = coverage_loss(weights, &Past::start());
//! assert_eq!(loss.into_data().to_vec::<f32>().unwrap(), [0.0, 1.0, 0.0]);
//! ```

use crate::alignment::Past;
use crate::half::at_least_f32;
use crate::{AttentionShape, Mask};
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Coverage vectors, See et al. (2017), equation 10: `c_t = Σ_{t' < t} a_t'`, the weights that each
/// key got from all queries before.
///
/// # Shapes
/// - `weights` and result: `[batch, heads, queries, keys]`
/// - `past`: the steps before the first of these queries
///
/// # Panics
/// If the past is of another shape.
pub fn coverage(weights: Tensor<4>, past: &Past) -> Tensor<4> {
    let [batch, heads, queries, keys] = weights.dims();
    let before = match &past.coverage {
        None => Tensor::zeros([batch, heads, 1, keys], (&weights.device(), weights.dtype())),
        Some(before) => {
            assert_eq!(
                before.dims(),
                [batch, heads, keys],
                "coverage: a past of {:?}, expected {:?}",
                before.dims(),
                [batch, heads, keys]
            );
            before.clone().unsqueeze_dim(2) // [b, h, 1, k]
        }
    };
    if queries == 0 {
        return weights;
    }
    // What came before is a step in front of the first: so nothing is subtracted again.
    let steps = Tensor::cat(vec![before, weights.slice_dim(2, 0..queries - 1)], 2);
    steps.cumsum(2)
}

/// Coverage loss of each query, See et al. (2017), equation 12: `Σ_j min(a_j, c_j)`, what it looks
/// at that was looked at before.
///
/// At most 1 for weights that sum to 1, and 0 for the first query. The sum over queries with its
/// factor `λ` (equation 13), and the mean without padding queries, are the caller's.
///
/// # Shapes
/// - `weights`: `[batch, heads, queries, keys]`
/// - `past`: the steps before the first of these queries
/// - result: `[batch, heads, queries]`
///
/// # Panics
/// As [`coverage`].
pub fn coverage_loss(weights: Tensor<4>, past: &Past) -> Tensor<3> {
    let coverage = coverage(weights.clone(), past);
    weights.min_pair(coverage).sum_dim(3).squeeze_dim(3)
}

/// A coverage less than this counts as this: the smallest number of which f32 has all digits. The
/// logarithm of none at all would rank all hypotheses that leave a key out alike, at −∞.
const LEAST: f32 = f32::MIN_POSITIVE;

/// What the coverage of a hypothesis adds to its log-probability; never above 0.
///
/// ```
/// use attn_core::coverage::CoveragePenalty;
///
/// let penalty: CoveragePenalty = serde_json::from_str(r#"{ "name": "gnmt", "beta": 0.2 }"#)?;
/// assert_eq!(penalty, CoveragePenalty::Gnmt { beta: 0.2 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum CoveragePenalty {
    /// For keys that were not translated, Wu et al. (2016), equation 14:
    /// `β Σ_j ln min(c_j, 1)`.
    Gnmt {
        /// `β`; 0.2 in the paper.
        beta: f64,
    },
    /// For keys that were repeated, Gehrmann et al. (2018), OpenNMT's `summary` penalty:
    /// `-β Σ_j (max(c_j, 1) - 1)`.
    Summary {
        /// `β`
        beta: f64,
    },
}

/// A coverage penalty that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("coverage penalty: beta must be from 0 to 1e18, got {beta}")]
pub struct CoverageError {
    /// What it was.
    pub beta: f64,
}

impl CoveragePenalty {
    fn beta(self) -> f64 {
        match self {
            Self::Gnmt { beta } | Self::Summary { beta } => beta,
        }
    }

    /// # Errors
    /// If `β` is negative, which would reward what it is to punish, or above 1e18, of which f32 may
    /// make an infinity.
    pub fn validate(&self) -> Result<(), CoverageError> {
        let beta = self.beta();
        if (0.0..=1e18).contains(&beta) { Ok(()) } else { Err(CoverageError { beta }) }
    }

    /// The penalty of each hypothesis, a batch row, in each head.
    ///
    /// It depends on the coverage alone, not on the order in which a hypothesis looked. Of a coverage
    /// in half precision it is summed in f32.
    ///
    /// # Shapes
    /// - `coverage`: `[batch, heads, keys]`, [`Past::coverage`]
    /// - `mask`: the keys that there are, for one query: [`Mask::padding`]
    /// - result: `[batch, heads]`
    ///
    /// # Panics
    /// If the mask does not fit, or with the message of [`validate`](Self::validate) if that refuses.
    pub fn penalty(&self, coverage: Tensor<3>, mask: &Mask) -> Tensor<2> {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let [batch, heads, keys] = coverage.dims();
        let shape = AttentionShape { batch, heads, queries: 1, keys };
        let plain = coverage.device().without_autodiff();
        let visible = mask.lower(&shape, &plain).expand([batch, heads, 1, keys]);
        let hidden = visible.bool_not().reshape([batch, heads, keys]);
        // A key that was covered exactly once has no penalty of either kind.
        let storage = FloatDType::from(coverage.dtype());
        let covered = at_least_f32(coverage).mask_fill(hidden, 1.0);
        let sum = |terms: Tensor<3>| terms.sum_dim(2).squeeze_dim::<2>(2);
        let penalty = match *self {
            Self::Gnmt { beta } => sum(covered.clamp(LEAST, 1.0).log()) * beta,
            Self::Summary { beta } => sum(covered.clamp_min(1.0) - 1.0) * -beta,
        };
        penalty.cast(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    #[should_panic(expected = "coverage: a past of [2, 1, 7], expected [2, 3, 7]")]
    fn the_past_must_be_of_the_same_shape() {
        let device = Device::flex();
        let coverage_so_far = Some(Tensor::ones([2, 1, 7], &device));
        let past = Past { steps: 1, coverage: coverage_so_far, ..Past::start() };
        coverage(Tensor::ones([2, 3, 5, 7], &device), &past);
    }

    #[test]
    #[should_panic(expected = "coverage penalty: beta must be from 0 to 1e18, got -1")]
    fn a_reward_is_no_penalty() {
        let coverage = Tensor::ones([2, 3, 7], &Device::flex());
        CoveragePenalty::Gnmt { beta: -1.0 }.penalty(coverage, &Mask::open());
    }

    #[test]
    fn a_typing_error_in_a_file_is_refused() {
        let read = |text| serde_json::from_str::<CoveragePenalty>(text);
        let error = read(r#"{ "name": "summary", "betta": 1 }"#).unwrap_err().to_string();
        assert!(error.contains("betta"), "{error}");
    }
}
