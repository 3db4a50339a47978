//! Files that are whole or not there at all, whatever happens while they are written.
//!
//! New content goes into a sibling, is synced to the disk, and takes the place of the old by a
//! rename, which file systems do at once. A crash leaves the old content or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` over `path`, or leaves `path` as it was.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path, "new");
    let written = write_file(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What failed is reported; a sibling that cannot be removed either adds nothing to it.
        let _ = fs::remove_file(&beside);
    }
    written.and_then(|()| sync_directory(parent(path)))
}

/// Creates a file and waits until its content is on the disk.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the names in a directory are on the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // Only Unix opens a directory as a file; elsewhere the file system orders renames itself.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// `directory/name` becomes the hidden `directory/.name.suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

/// The directory of a path; that of a bare name is the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        replace_file(&path, b"old and long").unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A directory in the way makes the rename fail, whoever runs the test.
    #[test]
    fn a_failure_leaves_the_old_and_no_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"old").unwrap();
        replace_file(&path, b"new").unwrap_err();
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(parent(Path::new("config.json")), Path::new("."));
        assert_eq!(parent(Path::new("runs/config.json")), Path::new("runs"));
    }
}
