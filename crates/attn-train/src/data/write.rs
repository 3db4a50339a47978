//! Files that are either the old one or the new one, never half of either.

use std::io;
use std::path::Path;

use crate::durable::replace_file;

/// Writes a file under another name in the same folder, syncs it and renames it, so that neither
/// a full disk nor a crash damages what was there.
///
/// # Errors
/// If the system refuses any step; the old file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(path, bytes)
}
