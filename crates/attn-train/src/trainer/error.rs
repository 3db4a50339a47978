//! Why a run failed.

use std::fmt;
use std::path::PathBuf;

use crate::checkpoint::CheckpointError;
use crate::config::ConfigError;
use crate::log::LogError;
use crate::objective::ObjectiveError;

/// A run that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A value of the config is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The metrics log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The objective cannot be computed of the model.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// The training source is empty.
    #[error("there is nothing to train on")]
    NoData,
    /// A number that steers the training is NaN or infinite. The parameters are those before the
    /// step.
    #[error("{what} is {value} at step {step}; {}", last_good(checkpoint))]
    NotFinite {
        /// Which number.
        what: Quantity,
        /// Its value.
        value: f64,
        /// The step that failed; it was not taken.
        step: usize,
        /// The last checkpoint, from before.
        checkpoint: Option<PathBuf>,
    },
    /// What is resumed is not what was begun.
    #[error("the run was begun with {key} = {saved}, but is resumed with {key} = {given}")]
    Changed {
        /// What is different.
        key: &'static str,
        /// Its value in the checkpoint.
        saved: u64,
        /// Its value now.
        given: u64,
    },
}

/// A number that steers the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// Mean loss of a step.
    Loss,
    /// Norm of the gradient of a step, all parameters together.
    GradientNorm,
    /// Mean loss of an evaluation.
    ValidationLoss,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "the loss",
            Self::GradientNorm => "the norm of the gradient",
            Self::ValidationLoss => "the validation loss",
        })
    }
}

fn last_good(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("the last good checkpoint is {}", path.display()),
        None => "there is no checkpoint from before".into(),
    }
}
