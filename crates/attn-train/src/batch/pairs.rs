//! Pairs of token sequences, and the batches that teach a decoder.

use super::TokenBatch;
use crate::tokenizer::{BOS, EOS};

/// A source and its target as token ids, without special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// What the encoder reads.
    pub source: Vec<u32>,
    /// What the decoder is to write.
    pub target: Vec<u32>,
}

impl TokenPair {
    /// Steps of source and target as a model sees them: the target has one more than it has
    /// tokens, for `<s>` before it or `</s>` behind it.
    pub fn steps(&self) -> [usize; 2] {
        [self.source.len(), self.target.len() + 1]
    }
}

/// A batch for teacher forcing: the decoder reads the right target and predicts it one step on.
///
/// For a target `y`, the row of `target_in` is `<s> y` and that of `target_out` is `y </s>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairBatch {
    /// What the encoder reads.
    pub source: TokenBatch,
    /// What the decoder reads.
    pub target_in: TokenBatch,
    /// What the decoder is to predict.
    pub target_out: TokenBatch,
}

impl PairBatch {
    /// # Panics
    /// If there are no pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = &'a TokenPair>) -> Self {
        let pairs: Vec<&TokenPair> = pairs.into_iter().collect();
        let sources: Vec<&[u32]> = pairs.iter().map(|pair| pair.source.as_slice()).collect();
        let inputs: Vec<Vec<u32>> =
            pairs.iter().map(|pair| [&[BOS], pair.target.as_slice()].concat()).collect();
        let outputs: Vec<Vec<u32>> =
            pairs.iter().map(|pair| [pair.target.as_slice(), &[EOS]].concat()).collect();
        Self {
            source: TokenBatch::from_rows(&sources),
            target_in: TokenBatch::from_rows(&inputs),
            target_out: TokenBatch::from_rows(&outputs),
        }
    }

    /// Number of pairs.
    pub fn rows(&self) -> usize {
        self.source.rows()
    }

    /// Tokens to predict: what a loss is divided by.
    pub fn tokens(&self) -> usize {
        self.target_out.tokens()
    }
}
