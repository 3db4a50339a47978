//! Reading and writing a configuration as JSON.

use super::{ConfigError, check_version, first_version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a configuration could not be read from a file or written to one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not JSON, has an unknown key, lacks one, or has a value of the wrong type.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there, naming the key.
        message: String,
    },
    /// The file is well formed, but describes no model.
    #[error("{} describes no model", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why, naming the key and its value.
        source: ConfigError,
    },
    /// The file cannot be written. One that was there before is still whole.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// All that is read of a file before its version is known.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first_version")]
    version: u32,
}

pub(crate) fn load<C: DeserializeOwned>(
    path: &Path,
    validate: impl FnOnce(&C) -> Result<(), ConfigError>,
) -> Result<C, ConfigFileError> {
    let path = path.to_path_buf();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ConfigFileError::Read { path, source }),
    };
    // A later version has keys unknown to this one; that it is later is the better message.
    if let Ok(Versioned { version }) = serde_json::from_slice(&bytes)
        && let Err(source) = check_version(version)
    {
        return Err(ConfigFileError::Invalid { path, source });
    }
    let config = match serde_json::from_slice(&bytes) {
        Ok(config) => config,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return Err(ConfigFileError::Parse { path, line, column, message: what(&error) });
        }
    };
    match validate(&config) {
        Ok(()) => Ok(config),
        Err(source) => Err(ConfigFileError::Invalid { path, source }),
    }
}

/// Writes beside `path`, syncs, and renames: whoever reads `path`, at any time, finds a whole file.
pub(crate) fn save<C: Serialize>(config: &C, path: &Path) -> Result<(), ConfigFileError> {
    let write = || -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(config)?;
        json.push(b'\n');
        let beside = beside(path)?;
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(&json)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&beside);
        })
    };
    write().map_err(|source| ConfigFileError::Write { path: path.to_path_buf(), source })
}

/// A name in the same folder, since a rename is atomic only within one file system; and a new one in
/// each call, since two threads may save at once.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut name = name.to_os_string();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{call}.tmp", std::process::id()));
    Ok(path.with_file_name(name))
}

/// The message without the place, which the error carries in fields.
fn what(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_string()
}
