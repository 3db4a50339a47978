//! What a run keeps on disk.

use std::path::{Path, PathBuf};

use attn_files::FolderLock;
use burn::store::ModuleRecord;

use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints, Manifest};
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
    /// Keeps other processes out.
    _lock: FolderLock,
}

impl Run {
    pub(super) fn create(directory: &Path) -> Result<Self, TrainError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| CheckpointError::Write { path: directory.into(), source })?;
        let lock = FolderLock::acquire(directory).map_err(CheckpointError::from)?;
        let checkpoints = Checkpoints::of_run(directory);
        if !checkpoints.steps()?.is_empty() {
            return Err(CheckpointError::Occupied { path: directory.into() }.into());
        }
        // A log without a checkpoint is of a run that ended before it had saved anything.
        let log = MetricsLog::open(directory.join(LOG), 0)?;
        Ok(Self { checkpoints, log, last: None, _lock: lock })
    }

    /// The latest checkpoint in `directory`, and the run that goes on from it.
    ///
    /// `check` says whether it may; if not, nothing has been touched.
    pub(super) fn resume(
        directory: &Path,
        check: impl FnOnce(&Checkpoint) -> Result<(), TrainError>,
    ) -> Result<(Self, Checkpoint), TrainError> {
        if !directory.exists() {
            return Err(CheckpointError::Missing { path: directory.into() }.into());
        }
        // First: the process that holds it may be about to replace its checkpoints.
        let lock = FolderLock::acquire(directory).map_err(CheckpointError::from)?;
        let from = Checkpoint::latest(directory)?;
        check(&from)?;
        let step = from.state().step;
        let mut log = MetricsLog::open(directory.join(LOG), step)?;
        // The process may have ended between the checkpoint and the line about its evaluation.
        if let Some(evaluation) = &from.manifest().evaluation
            && !log.has(evaluation)?
        {
            log.write(evaluation)?;
        }
        let last = Some((step, from.path().into()));
        let checkpoints = Checkpoints::of_run(directory);
        Ok((Self { checkpoints, log, last, _lock: lock }, from))
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
        manifest: Manifest,
    ) -> Result<(), TrainError> {
        let (step, best) = (manifest.state.step, manifest.state.best.map(|best| best.step));
        let keep = manifest.config.keep_last;
        let path = self.checkpoints.save(model, moments, manifest)?;
        self.last = Some((step, path.clone()));
        let pruned = self.checkpoints.prune(keep, best);
        tracing::info!(step, path = %path.display(), "saved a checkpoint");
        // The new one is safe: an old one that cannot be removed is no reason to end the run.
        if let Err(error) = pruned {
            tracing::warn!(%error, "cannot remove old checkpoints");
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::loss::LossSum;
    use crate::{Progress, Trainer, TrainerConfig};

    fn loss(model: &Linear, x: &f32, device: &Device) -> LossSum {
        let x = Tensor::<2>::from_floats([[*x, 1.0]], device);
        LossSum { sum: model.forward(x).square().sum(), tokens: 1 }
    }

    /// Whatever is logged first on a full disk, the work until then is in a checkpoint.
    #[test]
    fn a_log_that_cannot_be_written_ends_a_run_when_it_is_saved() {
        let device = Device::flex().autodiff();
        for (log_every, eval_every, saved) in [(3, 100, 3), (100, 4, 4), (4, 4, 4)] {
            let directory = tempfile::tempdir().unwrap();
            let config = TrainerConfig { log_every, eval_every, ..TrainerConfig::default() };
            let model: Linear = LinearConfig::new(2, 1).init(&device);
            let trainer = Trainer::new(config, model, loss, &device).unwrap();
            let mut trainer = trainer.with_progress(Progress::Hidden).save_to(&directory).unwrap();
            trainer.run.as_mut().unwrap().log = MetricsLog::full();
            let error = trainer.fit(&mut vec![0.5f32], &mut vec![2.0f32]).unwrap_err();
            assert!(matches!(error, TrainError::Log(_)), "{error}");
            let checkpoint = Checkpoint::latest(&directory).unwrap();
            assert_eq!(checkpoint.state().step, saved);
            assert_eq!(checkpoint.state().best.is_some(), eval_every == 4);
        }
    }
}
