//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a directory that is complete or absent:
//!
//! ```text
//! checkpoints/
//!   step-00001200/
//!     model.bpk     parameters, a burnpack record
//!     first.bpk     first moments of AdamW, one for each parameter, likewise
//!     second.bpk    second moments
//!     state.json    version, config, state, what the run was begun with, lengths and checksums of
//!                   the files above
//! ```
//!
//! It is written under another name, synced to the disk and then renamed; only afterwards are old
//! ones removed. It is checked, length and checksum, before anything is made of it, so a file that
//! was cut short or belongs to another model is an error that names it.

mod error;
mod read;
mod record;
mod state;
mod write;

pub use error::CheckpointError;
pub use read::Checkpoint;
pub use record::RunRecord;
pub(crate) use state::Manifest;
pub use state::{Best, TrainState, Window};
pub(crate) use write::Checkpoints;

/// Version of the layout of a checkpoint; those of version 1, which do not say what their run was begun
/// with, are read too.
pub const CHECKPOINT_VERSION: u32 = 2;

/// File of the parameters.
const MODEL: &str = "model.bpk";
/// File of the first moments.
const FIRST: &str = "first.bpk";
/// File of the second moments.
const SECOND: &str = "second.bpk";
/// File of everything else.
const STATE: &str = "state.json";
