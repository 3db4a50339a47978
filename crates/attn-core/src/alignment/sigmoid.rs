//! Sigmoid attention.

use super::{Aligned, Alignment, AlignmentError, Scores};
use crate::logistic::sigmoid;
use burn::module::Module;
use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

/// What a [`Sigmoid`] adds to each score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigmoidBias {
    /// `-ln n` of all `n` keys, visible or not, as in the paper, whose `n` is the length of the
    /// sequence. It changes with the padding of a batch and with each step of a decoder; where that
    /// matters, choose one of the others.
    #[default]
    Keys,
    /// `-ln n` of the `n` keys that the query sees.
    Visible,
    /// A number, such as `-ln n` of the longest sequence.
    Fixed(f64),
}

/// Configuration of a [`Sigmoid`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigmoidConfig {
    /// What is added to each score.
    pub bias: SigmoidBias,
}

impl SigmoidConfig {
    /// Sigmoid attention with the paper's bias.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another bias.
    pub fn with_bias(self, bias: SigmoidBias) -> Self {
        Self { bias }
    }

    /// # Errors
    /// If the bias is not finite.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        match self.bias {
            SigmoidBias::Fixed(value) if !value.is_finite() => Err(AlignmentError::Range {
                alignment: "sigmoid",
                field: "bias",
                range: "finite",
                value,
            }),
            _ => Ok(()),
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> Sigmoid {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Sigmoid { bias: self.bias }
    }
}

/// Sigmoid attention, Ramapuram et al. (2024), section 2: `w_j = σ(s_j + b)`, each key for itself.
///
/// With `b = -ln n` the weights of `n` keys of score 0 sum to about 1. What it gives up is exactly
/// that sum: the weights of a row sum to anything between 0 and the number of its keys. Time and memory of
/// queries × keys.
#[derive(Module, Debug)]
pub struct Sigmoid {
    #[module(skip)]
    bias: SigmoidBias,
}

impl Alignment for Sigmoid {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let [.., keys] = scores.dims();
        let values = scores.values.clone();
        let all = -(keys as f64).ln();
        let biased = match (self.bias, &scores.visible) {
            (SigmoidBias::Fixed(bias), _) => values.add_scalar(bias),
            (SigmoidBias::Keys, _) | (SigmoidBias::Visible, None) => values.add_scalar(all),
            (SigmoidBias::Visible, Some(visible)) => {
                let seen = visible.clone().float().cast(FloatDType::from(values.dtype()));
                // A query that sees no key has no weights, whatever its bias.
                let seen = seen.sum_dim(3).clamp_min(1.0); // [b, h, q, 1]
                values - seen.log()
            }
        };
        Aligned::new(sigmoid(biased))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "sigmoid alignment: bias must be finite, got NaN")]
    fn a_bias_that_is_no_number_is_refused() {
        SigmoidConfig::new().with_bias(SigmoidBias::Fixed(f64::NAN)).init(&Device::flex());
    }
}
