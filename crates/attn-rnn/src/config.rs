//! What all configurations share: their version, and what can be wrong with them.
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
    /// States of one cell handed to layers of another.
    #[error("bridge = \"last\" needs encoder and decoder of one cell")]
    Cells,
    /// A decoder that reads its target backwards.
    #[error("decoder.recurrent.bidirectional: a decoder has one direction")]
    BothDirections,
    /// A decoder that copies what it does not look at.
    #[error("decoder.copy needs a flow that looks at the source")]
    NothingToCopy,
    /// A token to read in the place of others that is none.
    #[error("decoder.copy.unknown = {token} must be below {vocab}, the size of the vocabulary")]
    Unknown {
        /// The token.
        token: u32,
        /// Number of tokens.
        vocab: usize,
    },
    /// An attention that cannot be.
    #[error(transparent)]
    Attention(#[from] MechanismError),
    /// A pooling that cannot be.
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
