//! Text to token ids and back.
//!
//! A [`Tokenizer`] is one of Hugging Face's `tokenizers`, kept in their `tokenizer.json`, whose
//! vocabulary begins with the special tokens [`PAD`], [`BOS`], [`EOS`] and [`UNK`].
//!
//! ```
//! use attn_train::tokenizer::{Tokenizer, TokenizerKind};
//!
//! let texts = ["the cat sat on the mat", "the dog sat on the rug"];
//! let tokenizer = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 280 }, texts)?;
//!
//! let ids = tokenizer.encode("the rat")?;
//! assert_eq!(tokenizer.labels(&ids)?, ["the", "▁", "r", "at"]);
//! assert_eq!(tokenizer.decode(&ids)?, "the rat");
//! # Ok::<(), attn_train::tokenizer::TokenizerError>(())
//! ```

mod byte_pairs;
mod error;
mod file;
mod kind;
mod labels;
mod special;
mod train;
mod words;

use std::fmt;

pub use error::TokenizerError;
pub use kind::TokenizerKind;
pub use special::{BOS, EOS, PAD, SPECIALS, UNK};

use tokenizers::{Decoder, DecoderWrapper};

/// Turns text into token ids and ids into text.
///
/// Special tokens are never read from text: `"</s>"` in a sentence is four characters, to Python's
/// `tokenizers` as well if the file was made here. Whoever needs them puts their ids in place, as
/// [`PairBatch`](crate::batch::PairBatch) does.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    vocab_size: usize,
}

impl Tokenizer {
    /// Number of tokens, special ones included: ids are `0..vocab_size`.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The ids of a text, without special tokens other than [`UNK`].
    ///
    /// # Errors
    /// If the `tokenizers` crate fails, as it may with a file that was not made here.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(TokenizerError::Library)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids. [`PAD`], [`BOS`] and [`EOS`] say nothing; [`UNK`] reads `<unk>`.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut tokens = Vec::with_capacity(ids.len());
        for &id in ids {
            match id {
                PAD | BOS | EOS => {}
                UNK => tokens.push(self.unknown()),
                _ => tokens.push(self.token(id)?),
            }
        }
        match self.inner.get_decoder() {
            Some(decoder) => decoder.decode(tokens).map_err(TokenizerError::Library),
            None => Ok(tokens.concat()),
        }
    }

    /// An unknown word stands apart from its neighbors, an unknown character does not.
    fn unknown(&self) -> String {
        let unknown = SPECIALS[UNK as usize];
        match self.inner.get_decoder() {
            Some(DecoderWrapper::Metaspace(space)) => {
                format!("{}{unknown}", space.get_replacement())
            }
            _ => unknown.to_owned(),
        }
    }

    /// A token as the vocabulary has it.
    fn token(&self, id: u32) -> Result<String, TokenizerError> {
        let vocab_size = self.vocab_size;
        self.inner.id_to_token(id).ok_or(TokenizerError::UnknownId { id, vocab_size })
    }
}

impl fmt::Debug for Tokenizer {
    /// Without the vocabulary, which fills pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}
