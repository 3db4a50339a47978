//! What can be wrong with a config.

use std::fmt::Display;

use attn_core::config::ValueError;

/// Values that no run can have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is out of range.
    #[error("{key} = {value} must be {expected}")]
    OutOfRange {
        /// Path of the key in the file.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Nothing ends the run.
    #[error("max_steps and max_epochs are both missing: nothing would end the run")]
    Endless,
    /// The file is of another version of this library.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// `Ok` if `holds`, else the error that names the key, its value and what it should be.
pub(crate) fn require(
    holds: bool,
    key: &'static str,
    value: impl Display,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange { key, value: value.to_string(), expected })
    }
}
