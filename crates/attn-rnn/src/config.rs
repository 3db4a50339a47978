//! What all configurations share: checks, and the file they live in.
//!
//! A configuration is a plain struct with public fields. Its JSON form has a `version`, refuses
//! unknown keys, and takes the default for a key that is missing, so that a file written before the
//! key existed still loads.

use attn_core::config as file;
use attn_core::mechanism::MechanismError;
use attn_core::pooling::PoolingError;
use serde::de::DeserializeOwned;
use std::path::Path;

pub(crate) use file::{first_version, save};

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
    /// A size or count is zero.
    #[error("{key} is 0, must be at least 1")]
    Zero {
        /// The key in question.
        key: &'static str,
    },
    /// A probability outside `[0, 1)`.
    #[error("{key} = {value} is outside [0, 1)")]
    Probability {
        /// The key in question.
        key: &'static str,
        /// Its value.
        value: f64,
    },
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
    /// A file from a later build, or version 0, which no build ever wrote.
    #[error("version {version} is unknown, this build reads 1 to {VERSION}")]
    Version {
        /// The version found.
        version: u32,
    },
}

pub(crate) fn load<C: DeserializeOwned>(
    path: &Path,
    validate: impl FnOnce(&C) -> Result<(), ConfigError>,
) -> Result<C, ConfigFileError> {
    file::load(path, check_version, validate)
}

pub(crate) fn check_version(version: u32) -> Result<(), ConfigError> {
    if !(1..=VERSION).contains(&version) {
        return Err(ConfigError::Version { version });
    }
    Ok(())
}

pub(crate) fn check_nonzero(key: &'static str, value: usize) -> Result<(), ConfigError> {
    if value == 0 {
        return Err(ConfigError::Zero { key });
    }
    Ok(())
}

pub(crate) fn check_probability(key: &'static str, value: f64) -> Result<(), ConfigError> {
    if !(0.0..1.0).contains(&value) {
        return Err(ConfigError::Probability { key, value });
    }
    Ok(())
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

/// `init` of a configuration that `validate` refuses is a programmer's error.
#[track_caller]
pub(crate) fn expect_valid(validated: Result<(), ConfigError>) {
    if let Err(error) = validated {
        panic!("{error}");
    }
}
