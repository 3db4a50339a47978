//! Coverage: how much attention each key got from earlier queries, and a loss of attending twice.
//!
//! [`Past::coverage`] is the sum up to the last query of a decoder; [`coverage`] returns the sums before
//! each query of a whole sequence. [`score::Coverage`](crate::score::Coverage) computes scores from it,
//! [`coverage_loss`] is for training, and a `CoveragePenalty` of `attn-generate` ranks hypotheses by it.
//!
//! ```
//! use attn_core::alignment::Past;
//! use attn_core::coverage::coverage_loss;
//! use burn::tensor::{Device, Tensor};
//!
//! // Two queries that attend to the first of three keys, and a third that attends to the others.
//! let rows = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]];
//! let weights = Tensor::<2>::from_data(rows, &Device::default()).unsqueeze::<4>();
//! let loss = coverage_loss(weights, &Past::start());
//! assert_eq!(loss.into_data().to_vec::<f32>().unwrap(), [0.0, 1.0, 0.0]);
//! ```

use crate::alignment::Past;
use burn::tensor::Tensor;

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
    // The past is put in front of the first step, so that no weight is subtracted again.
    let steps = Tensor::cat(vec![before, weights.slice_dim(2, 0..queries - 1)], 2);
    steps.cumsum(2)
}

/// Coverage loss of each query, See et al. (2017), equation 12: `Σ_j min(a_j, c_j)`, the
/// attention to keys that earlier queries attended to.
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
}
