//! Replacing a file whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes `content` to the file `path`: whoever reads it, at any time and after any crash, finds the old
/// content or the new one, never a part.
///
/// The content goes into a file beside it, is synced to the disk, and takes the place of the old file by
/// a rename; then the folder is synced. Of the old file, permissions, owner and group stay (the last two
/// as far as the system allows); another hard link to it keeps the old content.
///
/// Through a symbolic link its target is replaced, and the link stays; a target that does not exist is
/// created. What is no regular file, a device or a pipe, is written into.
///
/// # Errors
/// If the system refuses any step; a regular file is then as it was, and nothing is left beside it.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(old) if old.is_file() => replace(&fs::canonicalize(path)?, content, Some(&old)),
        // A folder is refused here by the system.
        Ok(_) => OpenOptions::new().write(true).open(path)?.write_all(content),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            replace(&follow_links(path)?, content, None)
        }
        Err(error) => Err(error),
    }
}

/// Waits until the names in a directory are on the disk.
///
/// # Errors
/// If the system refuses. A file system that cannot sync a directory is not an error.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    // Only Unix opens a directory as a file; elsewhere the file system orders renames itself.
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Puts `content` in the place of the regular file `path`, or of none.
fn replace(path: &Path, content: &[u8], old: Option<&Metadata>) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path names no file"));
    };
    let folder = folder(path);
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    if let Some(permissions) = new_file_permissions() {
        builder.permissions(permissions);
    }
    // In the same folder, since a rename is atomic only within one file system. It removes itself if it
    // does not come to the rename.
    let mut beside = builder.tempfile_in(folder)?;
    beside.write_all(content)?;
    if let Some(old) = old {
        keep_owner(beside.as_file(), old);
        beside.as_file().set_permissions(old.permissions())?;
    }
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    sync_directory(folder)
}

/// The path that a link without a target points to, in the end; a path that is no link is itself.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            // An absolute target replaces the folder.
            Ok(target) => path = folder(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder of a path; that of a bare name is the current one.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What a new file gets, less what the process's umask takes: temporary files are private by default.
fn new_file_permissions() -> Option<Permissions> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    None
}

/// Gives a file the owner and group of another, where the process may: mostly they are its own.
fn keep_owner(file: &File, old: &Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, None, Some(old.gid()));
        let _ = fchown(file, Some(old.uid()), None);
    }
    #[cfg(not(unix))]
    let _ = (file, old);
}
