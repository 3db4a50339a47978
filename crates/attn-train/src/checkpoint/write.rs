//! Writing checkpoints, and removing old ones.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use attn_files::sync_directory;
use burn::store::{ModuleRecord, RecordError};

use super::state::{Fingerprint, Manifest};
use super::{CheckpointError, FIRST, MODEL, SECOND, STATE};
use crate::optimizer::Moments;

/// The checkpoints of one run.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    directory: PathBuf,
}

impl Checkpoints {
    /// Those of the run in `run`.
    pub(crate) fn of_run(run: &Path) -> Self {
        Self { directory: run.join("checkpoints") }
    }

    pub(crate) fn path(&self, step: usize) -> PathBuf {
        self.directory.join(format!("{PREFIX}{step:08}"))
    }

    /// Steps that there is a checkpoint of, in order.
    pub(crate) fn steps(&self) -> Result<Vec<usize>, CheckpointError> {
        let mut steps = Vec::new();
        for name in self.names()? {
            steps.extend(name.strip_prefix(PREFIX).and_then(|step| step.parse::<usize>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Writes a checkpoint, whose manifest lacks what is known of its files alone; returns its path.
    pub(crate) fn save(
        &self,
        model: ModuleRecord,
        moments: Moments,
        manifest: Manifest,
    ) -> Result<PathBuf, CheckpointError> {
        let path = self.path(manifest.state.step);
        let unfinished = hidden_sibling(&path, "new");
        let written = self
            .write(&unfinished, model, moments, manifest)
            .and_then(|()| self.publish(&unfinished, &path));
        match written {
            Ok(()) => Ok(path),
            Err(source) => {
                // What failed is reported; a rest that cannot be removed adds nothing to it.
                let _ = fs::remove_dir_all(&unfinished);
                Err(CheckpointError::Write { path, source })
            }
        }
    }

    fn write(
        &self,
        unfinished: &Path,
        model: ModuleRecord,
        moments: Moments,
        mut manifest: Manifest,
    ) -> io::Result<()> {
        remove_if_there(unfinished)?;
        fs::create_dir_all(unfinished)?;
        let Moments { first, second, steps } = moments;
        manifest.moments = steps;
        for (name, record) in [(MODEL, model), (FIRST, first), (SECOND, second)] {
            let bytes = record.into_bytes().map_err(as_io)?;
            write_file(&unfinished.join(name), &bytes)?;
            manifest.files.insert(name.to_owned(), Fingerprint::of(&bytes));
        }
        write_file(&unfinished.join(STATE), &serde_json::to_vec(&manifest)?)?;
        sync_directory(unfinished)
    }

    /// Gives a finished checkpoint its name.
    fn publish(&self, finished: &Path, path: &Path) -> io::Result<()> {
        // A run that went on from an older checkpoint comes by here again.
        if path.exists() {
            retire(path)?;
        }
        fs::rename(finished, path)?;
        sync_directory(&self.directory)
    }

    /// Removes all but the last `keep` checkpoints and that of step `best`, and what a crash may
    /// have left half done.
    pub(crate) fn prune(&self, keep: usize, best: Option<usize>) -> Result<(), CheckpointError> {
        let remove = |path: PathBuf, how: fn(&Path) -> io::Result<()>| {
            how(&path).map_err(|source| CheckpointError::Write { path, source })
        };
        let steps = self.steps()?;
        let old = &steps[..steps.len().saturating_sub(keep)];
        for &step in old.iter().filter(|&&step| Some(step) != best) {
            remove(self.path(step), retire)?;
        }
        let rests = self.names()?.into_iter().filter(|name| name.starts_with(HIDDEN));
        for rest in rests {
            remove(self.directory.join(rest), remove_if_there)?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let failed = |source| CheckpointError::Read { path: self.directory.clone(), source };
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries.map(|entry| entry.map(name).map_err(failed)).collect()
    }
}

/// Names of checkpoints begin with this.
const PREFIX: &str = "step-";
/// Names of checkpoints that are being written or removed begin with this.
const HIDDEN: &str = ".step-";

/// Removes a checkpoint, which at no moment is seen half removed.
fn retire(path: &Path) -> io::Result<()> {
    let old = hidden_sibling(path, "old");
    remove_if_there(&old)?;
    fs::rename(path, &old)?;
    fs::remove_dir_all(&old)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates a file and waits until its content is on the disk.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `directory/name` becomes the hidden `directory/.name.suffix`.
fn hidden_sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn as_io(error: RecordError) -> io::Error {
    io::Error::other(error)
}
