//! What all configurations share: their version, and their errors.
//!
//! A configuration is a plain struct with public fields. Its JSON form has a `version`, refuses
//! unknown keys, and takes the default for a key that is missing, so that a file written before the
//! key existed still loads.

use attn_core::config as file;
use attn_core::mechanism::MechanismError;
use attn_core::pooling::PoolingError;

pub use file::ValueError;
pub(crate) use file::{check_nonzero, check_probability, check_version, first_version, load, save};

/// Version of the JSON form that this build writes; it reads this and all earlier ones.
pub const VERSION: u32 = 1;

/// `ε` of every layer norm, added to the variance; torch's.
pub(crate) const LAYER_NORM_EPSILON: f64 = 1e-5;

/// Why a configuration could not be read from a file or written to one.
pub type ConfigFileError = file::ConfigFileError<ConfigError>;

/// Why a configuration describes no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that its key may not have.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Two sizes that must be one.
    #[error("{key} = {found} must be {expected}, {reason}")]
    Size {
        /// The key in question.
        key: &'static str,
        /// Its value.
        found: usize,
        /// What it must be.
        expected: usize,
        /// What that is.
        reason: &'static str,
    },
    /// States with a memory cell handed to layers without one, or the reverse.
    #[error(
        "bridge = \"last\" needs an encoder and a decoder whose cells both have a memory cell \
         (lstm, lstmn), or both none (gru)"
    )]
    Cells,
    /// A decoder that reads its target backwards.
    #[error("decoder.recurrent.bidirectional: a decoder has one direction")]
    BothDirections,
    /// A decoder of a cell that needs all of its previous states.
    #[error("decoder.recurrent.cell = \"lstmn\": a decoder has lstm or gru cells")]
    DecoderCell,
    /// A decoder that copies words but has no attention.
    #[error("decoder.copy needs a flow with attention, decoder.flow is plain")]
    NothingToCopy,
    /// A token to read in place of unknown words that is not in the vocabulary.
    #[error("decoder.copy.unknown = {token} must be below {vocab}, the size of the vocabulary")]
    Unknown {
        /// The token.
        token: u32,
        /// Number of tokens.
        vocab: usize,
    },
    /// Invalid attention configuration.
    #[error(transparent)]
    Attention(#[from] MechanismError),
    /// Invalid pooling configuration.
    #[error(transparent)]
    Pooling(#[from] PoolingError),
}

pub(crate) fn check_size(
    key: &'static str,
    found: usize,
    expected: usize,
    reason: &'static str,
) -> Result<(), ConfigError> {
    if found != expected {
        return Err(ConfigError::Size { key, found, expected, reason });
    }
    Ok(())
}
