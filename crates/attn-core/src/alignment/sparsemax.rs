//! Sparsemax.

use super::simplex::{below_maximum, indicator, normalize, ranks, with_jacobian};
use super::{Aligned, Alignment, AlignmentError, Scores};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Sparsemax`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SparsemaxConfig {}

impl SparsemaxConfig {
    /// A sparsemax.
    pub fn new() -> Self {
        Self::default()
    }

    /// # Errors
    /// None: there is nothing to choose.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        Ok(())
    }

    /// The alignment.
    pub fn init(&self, _device: &Device) -> Sparsemax {
        Sparsemax {}
    }
}

/// Sparsemax, Martins & Astudillo (2016), equations 2–4: the point of the simplex next to the
/// scores, `argmin_p |p - s|²`, which is `w_j = max(0, s_j - τ(s))` with the `τ` that makes the row
/// sum to 1.
///
/// A key that scores 1 less than the best has a weight of exactly 0, and no gradient: what it gives
/// up is learning from keys outside of the support. `τ` is found by sorting (algorithm 1): time
/// `k log k` per query, memory of queries × keys.
#[derive(Module, Debug)]
pub struct Sparsemax {}

impl Alignment for Sparsemax {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let weights = project(below_maximum(scores));
        let support = indicator(weights.clone().greater_elem(0.0), &weights);
        Aligned::new(with_jacobian(scores, weights, support))
    }
}

/// Algorithm 1 on rows whose maximum is 0; no gradient passes.
pub(super) fn project(below: Tensor<4>) -> Tensor<4> {
    // τ is at least the maximum less 1, so that nothing below -1 is in the support. From -2 on it
    // does not matter how far, and sums stay small and finite.
    let z = below.clamp_min(-2.0);
    let sorted = z.clone().sort_descending(3);
    let sums = sorted.clone().cumsum(3);
    let support = (ranks(&z) * sorted.clone()).add_scalar(1.0).greater(sums);
    let support = indicator(support, &z);
    let size = support.clone().sum_dim(3); // [b, h, q, 1]
    let tau = ((sorted * support).sum_dim(3) - 1.0) / size;
    // The sum of the support is rounded: what is left of that goes by the final division.
    normalize((z - tau).clamp_min(0.0))
}
