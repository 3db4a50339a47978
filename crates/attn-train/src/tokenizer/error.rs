//! What can go wrong between text and token ids.

use std::io;
use std::path::PathBuf;

use super::train::MAX_VOCAB;
use crate::stop::Stopped;

/// A vocabulary that cannot be trained, read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// There is nothing to learn a vocabulary from.
    #[error("cannot train a tokenizer on no text")]
    NoText,
    /// A vocabulary of this size has no room for what it must hold.
    #[error("vocab_size = {vocab_size} is too small: {needed} tokens are always there")]
    VocabularyTooSmall {
        /// The size asked for.
        vocab_size: usize,
        /// Special tokens and, for byte pairs, the 256 bytes.
        needed: usize,
    },
    /// A vocabulary of this size does not fit into memory.
    #[error(
        "vocab_size = {vocab_size} is too large: at most {MAX_VOCAB}, whose embeddings fill some GiB"
    )]
    VocabularyTooLarge {
        /// The size asked for.
        vocab_size: usize,
    },
    /// A [`StopSignal`](crate::StopSignal) was given while a vocabulary was learned.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no tokenizer.
    #[error("{} is not a tokenizer: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where it is not JSON.
        reason: String,
    },
    /// The file is a tokenizer whose vocabulary does not begin with the special tokens.
    #[error(
        "{} lacks the special token {token} as id {id} (it has {})",
        path.display(), found.map_or("none".to_owned(), |found| found.to_string())
    )]
    MissingSpecial {
        /// The file.
        path: PathBuf,
        /// The token.
        token: &'static str,
        /// The id that it should have.
        id: u32,
        /// The id that it has.
        found: Option<u32>,
    },
    /// A token id that the vocabulary lacks.
    #[error("token id {id} is not in a vocabulary of {vocab_size} tokens")]
    UnknownId {
        /// The id.
        id: u32,
        /// Number of tokens.
        vocab_size: usize,
    },
    /// The `tokenizers` crate refused.
    #[error("tokenizing failed")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
}
