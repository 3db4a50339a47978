//! Entropy of attention, and a loss of it.

use crate::half::at_least_f32;
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// A weight below this counts as 0, whose part in an entropy is 0: the smallest number whose inverse
/// f32 holds, which the gradient of its logarithm is.
const LEAST: f32 = f32::MIN_POSITIVE;

/// Entropy of each row of weights in nats: `H = -Σ_j a_j ln a_j`, with `0 ln 0 = 0`.
///
/// Exactly 0 for a query that sees no key. The gradient at a weight of 0, which is infinite, is
/// taken as 0: a hidden key gets none. Weights below 0, as talking heads have them, count as 0.
/// Half-precision weights are summed in f32.
///
/// # Shapes
/// - `weights`: `[batch, heads, queries, keys]`
/// - result: `[batch, heads, queries]`
pub fn entropy(weights: Tensor<4>) -> Tensor<3> {
    let storage = FloatDType::from(weights.dtype());
    let weights = at_least_f32(weights);
    let none = weights.clone().detach().lower_elem(LEAST);
    let weights = weights.mask_fill(none.clone(), 0.0);
    let log = weights.clone().mask_fill(none, 1.0).log();
    // 0 minus the sum: its negation would be -0 for an empty row.
    let sum = (weights * log).sum_dim(3);
    (sum.zeros_like() - sum).squeeze_dim(3).cast(storage)
}

/// What an [`EntropyRegularizer`] rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntropyGoal {
    /// Attention to many keys, against attention that fits on few of them: entropy-based attention
    /// regularization (Attanasio et al. 2022), which is the confidence penalty of Pereyra et al.
    /// (2017) on attention instead of outputs.
    Spread,
    /// Attention to few keys (Zhang et al. 2019, "Attention with sparsity regularization", its
    /// minimum-entropy term).
    Focus,
}

/// A loss on the mean entropy of attention: `-strength · H` to spread, `strength · H` to focus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntropyRegularizer {
    /// What it rewards.
    pub goal: EntropyGoal,
    /// Its factor in the loss.
    pub strength: f64,
}

/// Invalid strength of a regularizer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entropy regularizer: strength must be from 0 to 1e18, got {strength}")]
pub struct RegularizerError {
    /// What it was.
    pub strength: f64,
}

impl EntropyRegularizer {
    /// A loss of this strength.
    pub fn new(goal: EntropyGoal, strength: f64) -> Self {
        Self { goal, strength }
    }

    /// # Errors
    /// If the strength is negative, for the goal says the sign, or above 1e18, of which f32 may make
    /// an infinity.
    pub fn validate(&self) -> Result<(), RegularizerError> {
        let strength = self.strength;
        if (0.0..=1e18).contains(&strength) { Ok(()) } else { Err(RegularizerError { strength }) }
    }

    /// What an entropy is multiplied by: the strength to focus, its negative to spread.
    pub fn factor(&self) -> f64 {
        match self.goal {
            EntropyGoal::Spread => -self.strength,
            EntropyGoal::Focus => self.strength,
        }
    }

    /// The term of each query, [`factor`](Self::factor) times its [`entropy`]; 0 for a query that sees no
    /// key.
    ///
    /// # Shapes
    /// - `weights`: `[batch, heads, queries, keys]`
    /// - result: `[batch, heads, queries]`
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn terms(&self, weights: Tensor<4>) -> Tensor<3> {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        entropy(weights) * self.factor()
    }

    /// The loss: the mean over all queries of all heads that see a key, 0 if none does.
    ///
    /// # Shapes
    /// - `weights`: `[batch, heads, queries, keys]`
    /// - result: `[1]`
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn loss(&self, weights: Tensor<4>) -> Tensor<1> {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let storage = FloatDType::from(weights.dtype());
        let weights = at_least_f32(weights);
        let seeing = weights.clone().detach().not_equal_elem(0.0).any_dim(3).int().float();
        let share = seeing.sum().cast(weights.dtype()).clamp_min(1.0).recip();
        (entropy(weights).sum() * share * self.factor()).cast(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    #[should_panic(expected = "entropy regularizer: strength must be from 0 to 1e18, got -1")]
    fn the_goal_says_the_sign() {
        let weights = Tensor::ones([1, 2, 3, 5], &Device::flex());
        EntropyRegularizer::new(EntropyGoal::Focus, -1.0).loss(weights);
    }

    #[test]
    fn it_reads_back() {
        let text = r#"{"goal":"spread","strength":0.01}"#;
        let regularizer = EntropyRegularizer::new(EntropyGoal::Spread, 0.01);
        assert_eq!(serde_json::from_str::<EntropyRegularizer>(text).unwrap(), regularizer);
        assert_eq!(serde_json::to_string(&regularizer).unwrap(), text);
    }
}
