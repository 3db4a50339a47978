//! What can be wrong with token sequences that are to be batched.

use crate::data::Side;

/// Token sequences that do not make a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is nothing to make batches of.
    #[error("there are no examples to make batches of")]
    NoExamples,
    /// A sequence has more steps than the model takes.
    #[error(
        "the {side} of pair {pair} has {steps} steps but at most {max} are allowed \
         (cut or drop long pairs, or raise the maximum)"
    )]
    TooLong {
        /// Position of the pair, counted from 1: the line it came from if every line made one.
        pair: usize,
        /// Its longer side.
        side: Side,
        /// Steps it has, with its special tokens.
        steps: usize,
        /// Steps allowed.
        max: usize,
    },
    /// A sequence alone is longer than a whole batch may be.
    #[error("example {example} has {steps} steps but a batch has room for {tokens} tokens")]
    OverBudget {
        /// Position of the example, counted from 1.
        example: usize,
        /// Steps it has.
        steps: usize,
        /// Tokens of one side of a batch.
        tokens: usize,
    },
}
