//! Everything that can end a program.

use std::io;
use std::path::PathBuf;

use attn_generate::GenerateError;
use attn_train::data::DataError;
use attn_train::tokenizer::TokenizerError;
use attn_train::{CheckpointError, TrainError};
use attn_viz::PictureError;

use crate::classification::{ClassifierSettingsError, ReviewError};
use crate::cli::{self, Failure, OutputError};
use crate::device::DeviceError;
use crate::io_error::IoError;
use crate::pronunciation::DictionaryError;
use crate::run_dir::RunDirError;
use crate::translation::{CorpusError, EncodeError, OtherVocabulary, SettingsError};

/// Why a program ends before it is done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A text file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting of a run.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A setting of classifiers.
    #[error(transparent)]
    ClassifierSettings(#[from] ClassifierSettingsError),
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
    /// Files of different runs on one text.
    #[error(
        "the tokenizer has {tokens} tokens, but the model has {model}: they are of different runs"
    )]
    OtherTokenizer {
        /// Size of the vocabulary.
        tokens: usize,
        /// Size that the model was made for.
        model: usize,
    },
    /// Nothing to go on from.
    #[error("the prompt is empty: there must be a token to go on from")]
    EmptyPrompt,
    /// More text than the model has positions for.
    #[error(
        "{tokens} tokens, with those of the prompt, but the positions of the model end at {positions}"
    )]
    PastPositions {
        /// Tokens that the model would read.
        tokens: usize,
        /// Number of its positions.
        positions: usize,
    },
    /// A run that cannot begin or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The training of one model of several.
    #[error("{model}: {source}")]
    TrainModel {
        /// Which model's.
        model: String,
        /// Why.
        source: TrainError,
    },
    /// A model that cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A search that cannot be done.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A picture of what is not there.
    #[error("this model has no attention: there is nothing to draw")]
    NoAttention,
    /// A picture that cannot be drawn or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A pronouncing dictionary.
    #[error(transparent)]
    Dictionary(#[from] DictionaryError),
    /// A folder without the words of an earlier run.
    #[error("{} holds no words of an earlier run: there is no test.dict in it", .path.display())]
    NoWords {
        /// The folder.
        path: PathBuf,
    },
    /// A file of sentences with labels.
    #[error(transparent)]
    Reviews(#[from] ReviewError),
    /// Lines of standard input that were left without an answer, each of which was named.
    #[error("{refused} of {lines} lines of standard input could not be used")]
    Lines {
        /// Lines without an answer.
        refused: usize,
        /// All lines.
        lines: usize,
    },
    /// A file that is to be written is one that is read.
    #[error("{} is {what}: writing the results there would destroy it", .path.display())]
    OwnInput {
        /// The file.
        path: PathBuf,
        /// What it is already.
        what: &'static str,
    },
    /// A signal asked the program to end, and nothing is left to save.
    #[error("stopped")]
    Stopped,
    /// Signals cannot be caught.
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
    /// Reading or writing a file.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Writing results.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for Error {
    fn status(&self) -> u8 {
        match self {
            Self::Train(TrainError::NotFinite { .. })
            | Self::TrainModel { source: TrainError::NotFinite { .. }, .. } => cli::WENT_WRONG,
            error if is_disk_full(error) => cli::WENT_WRONG,
            Self::Stopped | Self::Tokenizer(TokenizerError::Stopped(_)) => cli::signal_status(),
            Self::Output(error) => error.status(),
            _ => cli::BAD_INPUT,
        }
    }
}

/// Whether what is at the bottom of an error is that there is no room for a file, which is no fault of
/// what was given.
fn is_disk_full(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            return matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        }
        cause = error.source();
    }
    false
}
