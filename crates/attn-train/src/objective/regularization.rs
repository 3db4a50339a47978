//! Terms of a loss that regularize attention weights.

use attn_core::alignment::Draw;
use attn_core::coverage::coverage_loss;
use burn::tensor::Tensor;

use super::SequenceLoss;

/// Why an objective cannot be computed of a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// A regularizer of attention weights, of a model that returns none.
    #[error("{key} needs a model that returns the attention weights of its predictions")]
    NoWeights {
        /// The key of the configuration.
        key: &'static str,
    },
}

impl SequenceLoss {
    /// Refuses terms of the loss that a model cannot have which returns no attention weights.
    ///
    /// # Errors
    /// If there are no weights and a term needs them; the error names its key.
    pub fn check_weights(&self, there_are: bool) -> Result<(), ObjectiveError> {
        if there_are {
            return Ok(());
        }
        if self.coverage_loss != 0.0 {
            return Err(ObjectiveError::NoWeights { key: "coverage_loss" });
        }
        if self.attention_entropy.is_some() {
            return Err(ObjectiveError::NoWeights { key: "attention_entropy" });
        }
        Ok(())
    }

    /// The sum of the terms over the real target tokens; `None` without any term.
    ///
    /// Of weights that were drawn, the entropy is that of the distribution that they were drawn from.
    ///
    /// # Shapes
    /// - `weights`: `[b, heads, t, s]`, of which the mean over the heads counts
    /// - `real`: `[b, t]`, 1 for a real target token and 0 for padding
    /// - result: `[1]`
    pub(super) fn regularization(
        &self,
        weights: Tensor<4>,
        draw: Option<&Draw>,
        real: &Tensor<2>,
    ) -> Option<Tensor<1>> {
        let coverage = (self.coverage_loss != 0.0)
            .then(|| coverage_loss(weights.clone(), &Default::default()) * self.coverage_loss);
        let entropy = self.attention_entropy.map(|regularizer| match draw {
            Some(draw) => draw.entropy.clone() * regularizer.factor(),
            None => regularizer.terms(weights),
        });
        let terms = [coverage, entropy].into_iter().flatten(); // each [b, heads, t]
        let sum = |terms: Tensor<3>| (terms.mean_dim(1).squeeze_dim::<2>(1) * real.clone()).sum();
        terms.map(sum).reduce(|one, other| one + other)
    }
}
