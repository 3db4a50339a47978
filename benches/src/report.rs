//! The file that a table is written to.

use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

/// A JSON file that is opened before anything is measured, so that minutes of work are not lost to a
/// misspelt folder, and that replaces an earlier one only when it is complete.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct ReportError {
    /// The report.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Report {
    /// # Errors
    /// If nothing can be written there.
    pub fn create(path: PathBuf) -> Result<Self, ReportError> {
        let mut part = path.clone().into_os_string();
        part.push(".part");
        match File::create(&part) {
            Ok(file) => Ok(Self { path, part: part.into(), file }),
            Err(source) => Err(ReportError { path, source }),
        }
    }

    /// Writes `value` and puts the file in its place.
    ///
    /// # Errors
    /// If the file system refuses.
    ///
    /// # Panics
    /// If `value` has no JSON form.
    pub fn finish(mut self, value: &impl Serialize) -> Result<(), ReportError> {
        let text = serde_json::to_string_pretty(value).expect("a table is numbers and text");
        let written = writeln!(self.file, "{text}")
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.part, &self.path));
        written.map_err(|source| ReportError { path: self.path, source })
    }
}
