//! Reading and writing that failed.

use std::io;
use std::path::PathBuf;

/// What could not be read or written, and why.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct IoError {
    /// What was tried, or the place of what was read.
    pub what: String,
    /// What the system said.
    pub source: io::Error,
}

impl IoError {
    /// Writing a file failed.
    pub fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { what: format!("cannot write {}", path.display()), source }
    }
}
