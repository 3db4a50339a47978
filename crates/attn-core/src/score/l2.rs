//! L2 score: minus the squared distance.

use super::distance::squared_distances;
use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`L2`] score; there is nothing to configure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2Config {}

impl L2Config {
    /// The L2 score.
    pub fn new() -> Self {
        Self {}
    }

    /// Never refuses.
    ///
    /// # Errors
    /// None; the signature is that of the other scores.
    pub fn validate(&self) -> Result<(), ScoreError> {
        Ok(())
    }

    /// The score.
    pub fn init(&self, _device: &Device) -> L2 {
        L2
    }
}

/// L2 score, Kim et al. (2021, "The Lipschitz constant of self-attention"), section 3.2:
/// `score(s, h) = -|s - h|² / sqrt(d)`.
///
/// Never above 0, and 0 only where query and key agree. Self-attention with it is Lipschitz
/// continuous if queries and keys are one and the same projection of their input; with a dot product
/// it is not. For a bandwidth instead of `sqrt(d)` there is
/// [`Gaussian`](super::Gaussian).
///
/// The differences of all pairs, `[batch, heads, queries, keys, d]`, are materialised: time and
/// memory `q · k · d`. What that buys is the accuracy of near points, and what it gives up is the
/// memory of a dot product.
#[derive(Module, Debug, Default)]
pub struct L2;

impl Score for L2 {
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If query and key differ in width or batch, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let d = query.dims()[3];
        assert_width("l2", "key", &key, d);
        grouped(query, key, |s, h| squared_distances(s, h) * (-1.0 / (d as f64).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "l2 score: key [2, 3, 7, 5] has width 5, expected 4")]
    fn widths_must_agree() {
        let device = Device::flex();
        L2.score(Tensor::ones([2, 3, 6, 4], &device), Tensor::ones([2, 3, 7, 5], &device));
    }
}
