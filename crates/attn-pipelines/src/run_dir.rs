//! The folder of a run.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attn_files::{FolderLock, LOCK_FILE, LockError};

use crate::Error;

/// Why a folder is no place for this run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// Something is in the folder already.
    #[error(
        "{} is not empty, {}: give another folder to --out, or --resume to go on with the run in it",
        .path.display(), named(.entry)
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The name of what is in it.
        entry: OsString,
    },
    /// The path is a link that leads nowhere.
    #[error(
        "{} is a link to {}, which does not exist: make that folder, or remove the link",
        .path.display(), .target.display()
    )]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// There is no run in the folder.
    #[error("{} holds no run: there is no config.json in it", .path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains in the folder.
    #[error("{} is in use: another process is training in it", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be made or read.
    #[error("cannot use the folder {}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is in a folder, for people: a file whose name begins with a dot is not seen everywhere.
fn named(entry: &OsString) -> String {
    let entry = entry.display();
    match entry.to_string().starts_with('.') {
        true => format!("the hidden file {entry} is in it"),
        false => format!("{entry} is in it"),
    }
}

/// Makes a folder and those around it, where they are not there yet.
///
/// # Errors
///
/// [`RunDirError::DanglingLink`] if one of them is a link to nothing, [`RunDirError::Io`] if the
/// system refuses.
pub fn make_folder(path: &Path) -> Result<(), RunDirError> {
    fs::create_dir_all(path).map_err(|source| {
        dangling_link(path).unwrap_or(RunDirError::Io { path: path.into(), source })
    })
}

/// The link to nothing among a path and the folders around it.
fn dangling_link(path: &Path) -> Option<RunDirError> {
    path.ancestors().find_map(|path| match fs::read_link(path) {
        Ok(target) if !path.exists() => {
            Some(RunDirError::DanglingLink { path: path.into(), target })
        }
        _ => None,
    })
}

/// The folder of a run, and where everything is in it.
///
/// One that was made or is gone on with is held by this process until the last clone is gone: no
/// other process can train in it. The system lets go of it when the process dies, however it does.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    /// Whether the folder was not there before.
    made: bool,
    /// Of one that was made or is gone on with.
    _lock: Option<FolderLock>,
}

impl RunDir {
    /// Refuses a folder with anything in it, so that nothing is ever written over.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Occupied`] if there is anything, [`RunDirError::DanglingLink`] if it is a link
    /// to nothing, [`RunDirError::Io`] if it is no folder.
    pub fn check_free(path: &Path) -> Result<(), RunDirError> {
        let failed = |source| RunDirError::Io { path: path.into(), source };
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(failed)?.file_name();
                    // A lock stays when the process that held it is gone.
                    if entry != LOCK_FILE {
                        return Err(RunDirError::Occupied { path: path.into(), entry });
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dangling_link(path).map_or(Ok(()), Err)
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// Makes the folder and holds it; an empty one that is there already will do.
    ///
    /// # Errors
    ///
    /// As [`check_free`](Self::check_free), [`RunDirError::InUse`] if another process holds it, or if
    /// the system refuses.
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        Self::check_free(path)?;
        let made = !path.exists();
        make_folder(path)?;
        let lock = hold(path)?;
        // Another process may have been here between the check and the lock.
        Self::check_free(path)?;
        Ok(Self { path: path.into(), made, _lock: Some(lock) })
    }

    /// Makes the folder `out` if one is given, else `usual`, or the first of `usual-2`, `usual-3` …
    /// that is free.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_or_number(out: Option<&Path>, usual: &str) -> Result<Self, RunDirError> {
        match out {
            Some(out) => Self::create(out),
            None => Self::create_numbered(Path::new(usual)),
        }
    }

    /// Makes `path`, or the first of `path-2`, `path-3` … that is free.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Io`] if it cannot be made.
    pub fn create_numbered(path: &Path) -> Result<Self, RunDirError> {
        let mut candidate = path.to_owned();
        let mut number = 1_u64;
        loop {
            match Self::create(&candidate) {
                Err(RunDirError::Occupied { .. } | RunDirError::InUse { .. }) => {}
                other => return other,
            }
            number += 1;
            let mut name = path.as_os_str().to_owned();
            name.push(format!("-{number}"));
            candidate = name.into();
        }
    }

    /// Writes the first files into a new folder. If that fails, they are removed again, and the
    /// folder if it was not there before: what is begun is either complete or gone.
    pub(crate) fn fill(
        self,
        write: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        match write(&self) {
            Ok(()) => Ok(self),
            Err(error) => {
                // It was empty, so all that is in it came from here. The error that led here is the
                // one to report.
                // The lock goes last: as long as it is there, the folder is held.
                let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
                for entry in entries.filter(|entry| entry.file_name() != LOCK_FILE) {
                    let _ = fs::remove_file(entry.path());
                }
                if self.made {
                    let _ = fs::remove_file(self.path.join(LOCK_FILE));
                    let _ = fs::remove_dir(&self.path);
                }
                Err(error)
            }
        }
    }

    /// The folder of a run that was begun, to read from.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NoRun`] if none was.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let run = Self { path: path.into(), made: false, _lock: None };
        if !run.settings().is_file() {
            return Err(RunDirError::NoRun { path: path.into() });
        }
        Ok(run)
    }

    /// The folder of a run that was begun, to go on with: it is held.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NoRun`] if none was begun, [`RunDirError::InUse`] if another process holds it.
    pub fn resume(path: &Path) -> Result<Self, RunDirError> {
        let run = Self::open(path)?;
        Ok(Self { _lock: Some(hold(path)?), ..run })
    }

    /// A folder of runs that is there, to go on with what is in it: it is held.
    ///
    /// # Errors
    ///
    /// [`RunDirError::InUse`] if another process holds it.
    pub(crate) fn claim(path: &Path) -> Result<Self, RunDirError> {
        Ok(Self { path: path.into(), made: false, _lock: Some(hold(path)?) })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was set, as JSON.
    pub fn settings(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// What the run was trained on, as JSON.
    pub fn data(&self) -> PathBuf {
        self.path.join("data.json")
    }

    /// What a classifier knows of words.
    pub fn words(&self) -> PathBuf {
        self.path.join("words.json")
    }

    /// The tokenizer of a run on one text.
    pub fn tokenizer(&self) -> PathBuf {
        self.path.join("tokenizer.json")
    }

    /// The tokenizer of what is read.
    pub fn source_tokenizer(&self) -> PathBuf {
        self.path.join("source.tokenizer.json")
    }

    /// The tokenizer of what is written.
    pub fn target_tokenizer(&self) -> PathBuf {
        self.path.join("target.tokenizer.json")
    }

    /// Progress of the training, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The files that the run cannot do without, those that are there.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![
            self.path.join(LOCK_FILE),
            self.settings(),
            self.data(),
            self.words(),
            self.tokenizer(),
            self.source_tokenizer(),
            self.target_tokenizer(),
            self.metrics(),
        ];
        for checkpoint in
            fs::read_dir(self.path.join("checkpoints")).into_iter().flatten().flatten()
        {
            let inside = fs::read_dir(checkpoint.path()).into_iter().flatten().flatten();
            files.extend(inside.map(|entry| entry.path()));
        }
        files
    }

    /// The picture that the built-in task ends with.
    pub fn picture(&self) -> PathBuf {
        self.path.join("attention.svg")
    }
}

fn hold(path: &Path) -> Result<FolderLock, RunDirError> {
    FolderLock::acquire(path).map_err(|error| match error {
        LockError::Held { path } => RunDirError::InUse { path },
        error => RunDirError::Io { path: path.into(), source: io::Error::other(error) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_anything_in_it_is_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let taken = root.path().join("run");
        std::fs::create_dir(&taken).unwrap();
        std::fs::write(taken.join("notes.txt"), "mine").unwrap();
        let error = RunDir::create(&taken).unwrap_err();
        assert!(error.to_string().contains("run is not empty"), "{error}");
        assert_eq!(std::fs::read_to_string(taken.join("notes.txt")).unwrap(), "mine");
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let message = |path: &Path| RunDir::create(path).unwrap_err().to_string();
        std::fs::write(root.path().join(".DS_Store"), "").unwrap();
        let error = message(root.path());
        assert!(error.contains("is not empty, the hidden file .DS_Store is in it"), "{error}");
        #[cfg(unix)]
        {
            let link = root.path().join("link");
            std::os::unix::fs::symlink("gone", &link).unwrap();
            let error = message(&link);
            assert!(error.contains("link is a link to gone, which does not exist"), "{error}");
        }
    }

    #[test]
    fn what_is_begun_is_complete_or_gone() {
        let root = tempfile::tempdir().unwrap();
        let (new, there) = (root.path().join("new"), root.path().join("there"));
        std::fs::create_dir(&there).unwrap();
        for path in [&new, &there] {
            let filled = RunDir::create(path).unwrap().fill(|run| {
                std::fs::write(run.data(), "{}").unwrap();
                Err(Error::EmptyPrompt)
            });
            assert!(matches!(filled, Err(Error::EmptyPrompt)));
        }
        assert!(!new.exists());
        RunDir::check_free(&there).unwrap();
        assert!(there.exists(), "it was there before");
    }

    #[test]
    fn the_first_free_number_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for name in ["dates", "dates-2", "dates-3"] {
            let run = RunDir::create_numbered(&root.path().join("dates")).unwrap();
            assert_eq!(run.path(), root.path().join(name));
            std::fs::write(run.settings(), "{}").unwrap();
            assert!(RunDir::open(run.path()).is_ok());
        }
    }

    #[test]
    fn a_folder_without_a_run_cannot_be_opened() {
        let root = tempfile::tempdir().unwrap();
        let error = RunDir::open(root.path()).unwrap_err();
        assert!(error.to_string().ends_with("there is no config.json in it"), "{error}");
    }
}
