//! Teacher forcing: a model scores every token of a sequence from the true tokens before it.
//!
//! What a training objective needs of a model, so that objectives and models do not depend on each
//! other: the crates of models implement these traits, `attn-train` takes whatever does.
//!
//! Shapes: `b` rows, `s` source steps, `t` target steps, `m` features, `v` vocabulary.
//!
//! ```
//! use attn_core::teacher_forcing::{LanguageModel, TokenScores};
//! use burn::tensor::{Device, Int, Tensor};
//!
//! /// The logits of the next token depend on the last one alone: `[v, v]`.
//! struct Bigram(Tensor<2>);
//!
//! impl LanguageModel for Bigram {
//!     fn predict_next(&self, tokens: Tensor<2, Int>) -> TokenScores {
//!         let [b, t] = tokens.dims();
//!         let logits = self.0.clone().select(0, tokens.reshape([b * t])); // [b · t, v]
//!         TokenScores::Logits(logits.reshape([b as i64, t as i64, -1]))
//!     }
//! }
//!
//! let device = Device::default();
//! let model = Bigram(Tensor::from_data([[0.0, 1.0], [2.0, 3.0]], &device));
//! let scores = model.predict_next(Tensor::from_data([[1, 0, 1]], &device));
//! assert_eq!(scores.logits().dims(), [1, 3, 2]);
//! ```

use burn::tensor::{Int, Tensor};

use crate::alignment::Draw;

/// A model that predicts a target sequence from a source sequence: an encoder–decoder.
pub trait SequenceToSequence {
    /// Scores the successor of every target token, each from the source and the target tokens up to
    /// and including it.
    ///
    /// # Shapes
    /// - `source`: `[b, s]`, of which row `i` has `lengths[i]` tokens, then padding
    /// - `target`: `[b, t]`, beginning with the token that a decoder begins with
    /// - result: scores of `[b, t]` tokens
    ///
    /// # Panics
    /// If rows or lengths do not fit, or a token is not in the vocabulary.
    fn predict_target(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Prediction;

    /// Whether predictions hold attention weights, for terms of a loss that regularize them.
    fn returns_weights(&self) -> bool {
        false
    }
}

/// A model that predicts the next token of one sequence: a decoder-only model.
pub trait LanguageModel {
    /// Scores the successor of every token, each from the tokens up to and including it.
    ///
    /// # Shapes
    /// - `tokens`: `[b, t]`
    /// - result: scores of `[b, t]` tokens
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or there are more steps than the model has positions.
    fn predict_next(&self, tokens: Tensor<2, Int>) -> TokenScores;
}

/// What [`SequenceToSequence::predict_target`] returns.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Scores of every target token's successor.
    pub scores: TokenScores,
    /// The draws of the attention weights, of one head and `t` queries, where they were drawn (hard
    /// attention): they are trained by REINFORCE, not through the scores.
    pub draw: Option<Draw>,
    /// Attention weights of every target token over the source, `[b, heads, t, s]`, before dropout; of
    /// a model that [returns them](SequenceToSequence::returns_weights).
    pub weights: Option<Tensor<4>>,
}

/// Unnormalized log-probabilities of the tokens at every position.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "one a step of training")]
pub enum TokenScores {
    /// The logits are `features · weight + bias`. A loss can make them block by block, so that those
    /// of all positions are never in memory at once.
    Projected {
        /// `[b, t, m]`
        features: Tensor<3>,
        /// `[m, v]`
        weight: Tensor<2>,
        /// `[v]`, if there is one.
        bias: Option<Tensor<1>>,
    },
    /// `[b, t, v]`
    Logits(Tensor<3>),
}

impl TokenScores {
    /// The scores themselves, `[b, t, v]`.
    pub fn logits(self) -> Tensor<3> {
        match self {
            Self::Logits(logits) => logits,
            Self::Projected { features, weight, bias } => {
                let logits = features.matmul(weight.unsqueeze_dim(0)); // [b, t, v]
                match bias {
                    Some(bias) => logits + bias.unsqueeze_dims(&[0, 1]),
                    None => logits,
                }
            }
        }
    }

    /// The same scores without gradients.
    pub fn detach(self) -> Self {
        match self {
            Self::Logits(logits) => Self::Logits(logits.detach()),
            Self::Projected { features, weight, bias } => Self::Projected {
                features: features.detach(),
                weight: weight.detach(),
                bias: bias.map(Tensor::detach),
            },
        }
    }
}
