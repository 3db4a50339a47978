//! Everything that can stop the program.

use attn_train::TrainError;

use super::reviews::ReviewError;
use super::settings::SettingsError;
use crate::device::DeviceError;
use crate::exit::{self, Failure};
use crate::io_error::IoError;

/// Why the program stops before it is done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line; also the text of `--help`.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file of sentences.
    #[error(transparent)]
    Reviews(#[from] ReviewError),
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A training that cannot go on.
    #[error("{model}: {source}")]
    Train {
        /// Which model's.
        model: String,
        /// Why.
        source: TrainError,
    },
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
    /// Writing results.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl Failure for Error {
    fn status(&self) -> u8 {
        match self {
            // 0 for --help and --version, 2 otherwise.
            Self::Usage(error) => error.exit_code() as u8,
            Self::Train { source: TrainError::NotFinite { .. }, .. } => exit::WENT_WRONG,
            _ => exit::BAD_INPUT,
        }
    }
}
