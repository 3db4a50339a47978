//! What can be wrong with a checkpoint.

use std::io;
use std::path::PathBuf;

use attn_files::LockError;
use burn::store::RecordError;

use super::CHECKPOINT_VERSION;

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or directory cannot be written. Checkpoints that were there before are unharmed.
    #[error("cannot write the checkpoint {path}")]
    Write {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or directory cannot be read.
    #[error("cannot read the checkpoint {path}")]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds no checkpoint.
    #[error("there is no checkpoint in {path}")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// A new run would write into the directory of an old one.
    #[error("{path} already holds checkpoints: resume that run, or choose another directory")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not what was written.
    #[error("the checkpoint file {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How one can tell.
        reason: String,
    },
    /// The checkpoint is of another version of this library.
    #[error("{path} is of version {found}, but this library reads 1 to {CHECKPOINT_VERSION}")]
    Version {
        /// The file that names the version.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Something that the run was begun with is not what it was: the weights would mean something else,
    /// or another evaluation be the best.
    #[error("{what} has changed since the run was begun: it was {saved}, now it is {given}")]
    Changed {
        /// What has changed, a key of the model's config for one.
        what: String,
        /// What it was.
        saved: String,
        /// What it is now.
        given: String,
    },
    /// Another process works on the run.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The file is whole, but its tensors are not those of the model.
    #[error("{path} is of another model")]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// Which tensors are missing, unused or of another shape.
        source: RecordError,
    },
}
