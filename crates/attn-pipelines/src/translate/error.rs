//! Everything that can stop the program.

use attn_generate::GenerateError;
use attn_train::data::DataError;
use attn_train::tokenizer::TokenizerError;
use attn_train::{CheckpointError, TrainError};
use attn_viz::PictureError;

use super::corpus::CorpusError;
use super::run_dir::RunDirError;
use super::settings::SettingsError;
use super::vocabulary::{EncodeError, OtherVocabulary};
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
    /// A text file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folder of a run.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The text of a run that is resumed.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A vocabulary.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A sentence.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Files of different runs.
    #[error(transparent)]
    OtherVocabulary(#[from] OtherVocabulary),
    /// A run that cannot begin or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A model that cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A search that cannot be done.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A picture of what is not there.
    #[error("this model does not look at its source: there is nothing to draw")]
    NoAttention,
    /// A picture that cannot be drawn or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
    /// Reading standard input, or writing results.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl Failure for Error {
    fn status(&self) -> u8 {
        match self {
            // 0 for --help and --version, 2 otherwise.
            Self::Usage(error) => error.exit_code() as u8,
            Self::Train(TrainError::NotFinite { .. }) => exit::WENT_WRONG,
            _ => exit::BAD_INPUT,
        }
    }
}
