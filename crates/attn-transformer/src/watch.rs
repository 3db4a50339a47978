//! What a stack returns of its attentions beside its output.

use attn_core::explain::Summary;
use burn::tensor::Tensor;

/// What is kept of each attention on the way.
pub(crate) enum Watch<'a> {
    /// Nothing.
    Nothing,
    /// The weights, `[b, h, q, k]`.
    Weights(&'a mut Vec<Tensor<4>>),
    /// What so many keys of most weight are, and the rest of a [`Summary`], of whole sequences.
    Summaries(&'a mut Vec<Summary>, usize),
}

impl Watch<'_> {
    /// For one block of several.
    pub(crate) fn again(&mut self) -> Watch<'_> {
        match self {
            Self::Nothing => Watch::Nothing,
            Self::Weights(all) => Watch::Weights(all),
            Self::Summaries(all, k) => Watch::Summaries(all, *k),
        }
    }
}
