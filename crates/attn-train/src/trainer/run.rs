//! What a run keeps on disk.

use std::path::{Path, PathBuf};

use burn::store::ModuleRecord;

use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints, TrainState};
use crate::config::TrainerConfig;
use crate::log::{Event, MetricsLog};
use crate::optimizer::Moments;

use super::TrainError;

/// Name of the metrics log in the directory of a run.
const LOG: &str = "metrics.jsonl";

/// The directory of a run.
#[derive(Debug)]
pub(super) struct Run {
    checkpoints: Checkpoints,
    log: MetricsLog,
    /// Step and path of the last checkpoint.
    last: Option<(usize, PathBuf)>,
}

impl Run {
    pub(super) fn create(directory: &Path) -> Result<Self, TrainError> {
        let checkpoints = Checkpoints::of_run(directory);
        if !checkpoints.steps()?.is_empty() {
            return Err(CheckpointError::Occupied { path: directory.into() }.into());
        }
        std::fs::create_dir_all(directory)
            .map_err(|source| CheckpointError::Write { path: directory.into(), source })?;
        // A log without a checkpoint is of a run that ended before it had saved anything.
        let log = MetricsLog::open(directory.join(LOG), 0)?;
        Ok(Self { checkpoints, log, last: None })
    }

    pub(super) fn resume(directory: &Path, from: &Checkpoint) -> Result<Self, TrainError> {
        let step = from.state().step;
        Ok(Self {
            checkpoints: Checkpoints::of_run(directory),
            log: MetricsLog::open(directory.join(LOG), step)?,
            last: Some((step, from.path().into())),
        })
    }

    /// Path of the last checkpoint.
    pub(super) fn last(&self) -> Option<&Path> {
        self.last.as_ref().map(|(_, path)| path.as_path())
    }

    /// Whether the last checkpoint is of this step.
    pub(super) fn is_saved(&self, step: usize) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| *last == step)
    }

    pub(super) fn log(&mut self, event: &Event) -> Result<(), TrainError> {
        Ok(self.log.write(event)?)
    }

    pub(super) fn save(
        &mut self,
        model: ModuleRecord,
        moments: Moments,
        config: &TrainerConfig,
        state: &TrainState,
    ) -> Result<(), TrainError> {
        let path = self.checkpoints.save(model, moments, config, state)?;
        tracing::info!(step = state.step, path = %path.display(), "saved a checkpoint");
        self.last = Some((state.step, path));
        // The new one is safe: an old one that cannot be removed is no reason to end the run.
        let best = state.best.map(|best| best.step);
        if let Err(error) = self.checkpoints.prune(config.keep_last, best) {
            tracing::warn!(%error, "cannot remove old checkpoints");
        }
        Ok(())
    }
}
