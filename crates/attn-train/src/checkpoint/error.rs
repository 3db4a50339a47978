//! What can be wrong with a checkpoint.

use std::io;
use std::path::PathBuf;

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
    #[error("{path} is of version {found}, but this library reads version {CHECKPOINT_VERSION}")]
    Version {
        /// The file that names the version.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file is whole, but its tensors are not those of the model.
    #[error("{path} is of another model")]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// Which tensors are missing, unused or of another shape.
        source: RecordError,
    },
}
