//! Files that are either the old one or the new one, never half of either.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file under another name in the same folder, syncs it and renames it, so that neither
/// a full disk nor a crash damages what was there.
///
/// # Errors
/// If the system refuses any step; the old file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path ends with no file name"));
    };
    let mut beside = name.to_owned();
    // The process in the name keeps two runs that write one file from sharing the one beside it.
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        // Nothing more can be done if this fails too; the first error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    renamed
}
