//! Settings as JSON files.

use std::fs;
use std::path::Path;

use attn_train::data::write_atomically;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::translation::SettingsError;

/// Reads settings.
pub(crate) fn load<S: DeserializeOwned>(path: &Path) -> Result<S, SettingsError> {
    let bytes =
        fs::read(path).map_err(|source| SettingsError::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|source| SettingsError::Parse { path: path.into(), source })
}

/// Writes settings, whole or not at all.
pub(crate) fn save(settings: &impl Serialize, path: &Path) -> Result<(), SettingsError> {
    let mut text = serde_json::to_string_pretty(settings).expect("settings are plain data");
    text.push('\n');
    write_atomically(path, text.as_bytes())
        .map_err(|source| SettingsError::Write { path: path.into(), source })
}
