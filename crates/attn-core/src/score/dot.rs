//! Dot score.

use super::{Score, ScoreError, assert_width, grouped};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Dot`] score; there is nothing to configure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DotConfig {}

impl DotConfig {
    /// The dot score.
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
    pub fn init(&self, _device: &Device) -> Dot {
        Dot
    }
}

/// Dot score, Luong et al. (2015), equation 8: `score(s, h) = s · h`.
#[derive(Module, Debug, Default)]
pub struct Dot;

impl Score for Dot {
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If query and key differ in width or batch, or the heads do not split evenly.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        assert_width("dot", "key", &key, query.dims()[3]);
        grouped(query, key, |s, h| s.matmul(h.transpose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "dot score: key [2, 3, 7, 5] has width 5, expected 4")]
    fn widths_must_agree() {
        let device = Device::flex();
        Dot.score(Tensor::ones([2, 3, 6, 4], &device), Tensor::ones([2, 3, 7, 5], &device));
    }
}
