//! The folder of a run.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder is no place for this run.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// Something is in the folder already.
    #[error(
        "{} is not empty: give another folder to --out, or --resume to go on with the run in it",
        .path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run in the folder.
    #[error("{} holds no run: there is no config.json in it", .path.display())]
    NoRun {
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

/// The folder of a run, and where everything is in it.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Refuses a folder with anything in it, so that nothing is ever written over.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Occupied`] if there is anything, [`RunDirError::Io`] if it is no folder.
    pub fn check_free(path: &Path) -> Result<(), RunDirError> {
        match std::fs::read_dir(path).map(|mut entries| entries.next()) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(RunDirError::Occupied { path: path.into() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(RunDirError::Io { path: path.into(), source }),
        }
    }

    /// Makes the folder; an empty one that is there already will do.
    ///
    /// # Errors
    ///
    /// As [`check_free`](Self::check_free), or if the system refuses.
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        Self::check_free(path)?;
        std::fs::create_dir_all(path)
            .map_err(|source| RunDirError::Io { path: path.into(), source })?;
        Ok(Self(path.into()))
    }

    /// Makes `path`, or the first of `path-2`, `path-3` … that is free.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Io`] if it cannot be made.
    pub fn create_numbered(path: &Path) -> Result<Self, RunDirError> {
        let mut candidate = path.to_owned();
        for number in 2.. {
            match Self::create(&candidate) {
                Err(RunDirError::Occupied { .. }) => {}
                other => return other,
            }
            let mut name = path.as_os_str().to_owned();
            name.push(format!("-{number}"));
            candidate = name.into();
        }
        unreachable!("the numbers do not end")
    }

    /// The folder of a run that was begun.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NoRun`] if none was.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let run = Self(path.into());
        if !run.settings().is_file() {
            return Err(RunDirError::NoRun { path: path.into() });
        }
        Ok(run)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was set, as JSON.
    pub fn settings(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// What the run was trained on, as JSON.
    pub fn data(&self) -> PathBuf {
        self.0.join("data.json")
    }

    /// The tokenizer of what is read.
    pub fn source_tokenizer(&self) -> PathBuf {
        self.0.join("source.tokenizer.json")
    }

    /// The tokenizer of what is written.
    pub fn target_tokenizer(&self) -> PathBuf {
        self.0.join("target.tokenizer.json")
    }

    /// Progress of the training, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// The picture that the built-in task ends with.
    pub fn picture(&self) -> PathBuf {
        self.0.join("attention.svg")
    }
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
