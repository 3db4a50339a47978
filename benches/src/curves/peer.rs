//! PyTorch's trainings: `peers/curves.py` finds weights and batches in files, and answers with losses.

use super::Weight;
use crate::machine;
use crate::process::{self, Script};
use crate::pytorch::described;
use crate::setting::{Batch, Setting};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs, process as system};

const SCRIPT: &str = "curves.py";

/// PyTorch's losses, one for each step.
#[derive(Debug, Clone, Deserialize)]
pub struct Peer {
    /// Its version.
    pub version: String,
    /// Of the training.
    pub losses: Vec<f64>,
    /// Of the same with weights moved by a unit in the last place before each step.
    pub perturbed: Vec<Vec<f64>>,
}

/// Why there are no losses.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Weights and batches cannot be handed over.
    #[error("cannot write to {}: {source}", .folder.display())]
    Folder {
        /// Where they were to lie.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Python did not start.
    #[error("`{} {}`: {source}", .python.display(), process::path(SCRIPT))]
    Start {
        /// The Python.
        python: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended early.
    #[error("PyTorch said {0:?} instead of losses; its message is above")]
    Answer(String),
}

impl Peer {
    /// Trains with this Python from `weights` on `batches`, and again `perturbations` times.
    ///
    /// # Errors
    /// If the files cannot be written, or Python does not start or has no torch.
    pub fn train(
        python: &Path,
        setting: &Setting,
        weights: &[Weight],
        batches: &[Batch],
        perturbations: usize,
    ) -> Result<Self, PeerError> {
        let folder = Folder::create()?;
        let values = weights.iter().flat_map(|weight| &weight.values);
        folder.write("weights", values.flat_map(|value| value.to_le_bytes()).collect())?;
        let tokens = batches.iter().flat_map(|batch| batch.ids.iter().chain(&batch.next));
        let tokens = tokens.map(|&id| i64::from(id));
        folder.write("batches", tokens.flat_map(i64::to_le_bytes).collect())?;
        let arguments = serde_json::json!({
            "setting": described(setting),
            "threads": machine::cores(),
            "learning_rate": Setting::LEARNING_RATE,
            "weight_decay": Setting::WEIGHT_DECAY,
            "epsilon": Setting::EPSILON,
            "folder": folder.0,
            "weights": weights,
            "perturbations": perturbations,
        });
        let (_script, line) = Script::start(python, SCRIPT, &arguments.to_string())
            .map_err(|source| PeerError::Start { python: python.into(), source })?;
        serde_json::from_str(&line).map_err(|_| PeerError::Answer(line))
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, PeerError> {
        let folder = env::temp_dir().join(format!("attn-benches-curves-{}", system::id()));
        match fs::create_dir(&folder) {
            Ok(()) => Ok(Self(folder)),
            Err(source) => Err(PeerError::Folder { folder, source }),
        }
    }

    fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), PeerError> {
        fs::write(self.0.join(name), bytes)
            .map_err(|source| PeerError::Folder { folder: self.0.clone(), source })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The system clears its temporary folder where this fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}
