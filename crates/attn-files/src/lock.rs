//! A folder that one process holds.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The file whose lock is that of the folder. It stays when the lock is gone.
pub const LOCK_FILE: &str = ".lock";

/// Holds a folder for this process, until the last clone is dropped or the process ends, however it
/// ends.
///
/// It is a lock of the process: whoever asks again in the same process shares it.
#[derive(Debug, Clone)]
#[must_use = "the lock ends when it is dropped"]
pub struct FolderLock {
    _file: Arc<File>,
}

/// A folder that cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is in use by another process", path.display())]
    Held {
        /// The folder.
        path: PathBuf,
    },
    /// The lock file cannot be made or opened.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderLock {
    /// Holds `folder`, which exists.
    ///
    /// On a file system without locks every process gets it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it, [`LockError::Io`] if the system refuses.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        static HELD: Mutex<BTreeMap<PathBuf, Weak<File>>> = Mutex::new(BTreeMap::new());

        let failed = |source| LockError::Io { path: folder.to_owned(), source };
        let path = fs::canonicalize(folder).map_err(failed)?.join(LOCK_FILE);
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = held.get(&path).and_then(Weak::upgrade) {
            return Ok(Self { _file: file });
        }
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: folder.to_owned() });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let file = Arc::new(file);
        held.insert(path, Arc::downgrade(&file));
        Ok(Self { _file: file })
    }
}
