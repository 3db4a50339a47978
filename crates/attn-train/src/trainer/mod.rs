//! The training loop.

mod error;
mod fit;
mod run;
mod step;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::Value;

pub use error::{Quantity, TrainError};
pub use fit::Outcome;
pub use step::StepReport;

use crate::checkpoint::{Checkpoint, CheckpointError, RunRecord, TrainState};
use crate::config::TrainerConfig;
use crate::optimizer::AdamW;
use crate::progress::Progress;
use crate::stop::StopSignal;
use run::Run;

const PRESENT: &str = "the model is back after each step";

/// Trains a module `M` towards an [objective](crate::Objective) `O`.
///
/// Everything random in a step is drawn from the seed of the config and the number of the step, and
/// every batch is asked for by epoch and index. So a run that was interrupted, at whatever step,
/// and resumed ends with the same parameters, bit by bit, as one that was not, on the same machine.
///
/// The example of [`Objective`](crate::Objective) trains a module of a few lines.
pub struct Trainer<M, O> {
    config: TrainerConfig,
    /// `None` only while the optimizer has it: a second owner would make it copy every parameter.
    model: Option<M>,
    objective: O,
    /// With autodiff.
    device: Device,
    optimizer: AdamW,
    state: TrainState,
    run: Option<Run>,
    /// What the caller says that the run is begun with.
    given: RunRecord,
    /// What checkpoints say that it was begun with, the data included.
    record: BTreeMap<String, Value>,
    stop: StopSignal,
    progress: Progress,
}

impl<M: Module, O> Trainer<M, O> {
    /// A new run of `model`, which was initialized on `device`. It keeps nothing on disk unless
    /// told to by [`save_to`](Self::save_to) or [`resume_from`](Self::resume_from).
    ///
    /// # Errors
    /// If a value of the config is out of range.
    pub fn new(
        config: TrainerConfig,
        model: M,
        objective: O,
        device: &Device,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        Ok(Self {
            optimizer: AdamW::new(&config.adamw),
            config,
            model: Some(model.train()),
            objective,
            device: device.clone().autodiff(),
            state: TrainState::default(),
            run: None,
            given: RunRecord::new(),
            record: BTreeMap::new(),
            stop: StopSignal::new(),
            progress: Progress::default(),
        })
    }

    /// Keeps in every checkpoint what the run was begun with: the config of the model, the tokenizers.
    /// A run that is resumed is refused if something of it has changed. Training and validation data
    /// are kept without being named here, if their [source](crate::BatchSource) can say what they are.
    ///
    /// # Panics
    /// If it comes after [`save_to`](Self::save_to) or [`resume_from`](Self::resume_from).
    pub fn with_record(mut self, record: RunRecord) -> Self {
        assert!(self.run.is_none(), "with_record must come before save_to and resume_from");
        self.record = record.values();
        self.given = record;
        self
    }

    /// Keeps checkpoints and the metrics log of a new run in `directory`, and other processes out of
    /// it.
    ///
    /// # Errors
    /// If there are checkpoints of another run already, another process works on it, or the log cannot
    /// be written.
    pub fn save_to(mut self, directory: impl AsRef<Path>) -> Result<Self, TrainError> {
        self.run = Some(Run::create(directory.as_ref())?);
        Ok(self)
    }

    /// [`resume_from`](Self::resume_from) if there is a checkpoint in `directory`, else
    /// [`save_to`](Self::save_to): a run that ended before its first checkpoint begins again.
    ///
    /// # Errors
    /// As the one or the other.
    pub fn continue_in(self, directory: impl AsRef<Path>) -> Result<Self, TrainError> {
        match Checkpoint::latest(&directory) {
            Err(CheckpointError::Missing { .. }) => self.save_to(directory),
            _ => self.resume_from(directory),
        }
    }

    /// Goes on from the latest checkpoint in `directory`, and keeps further ones there.
    ///
    /// The config may differ from that of the checkpoint where this does not change what the
    /// position in the data means: more steps, another schedule, another patience.
    ///
    /// # Errors
    /// If there is no checkpoint, it is damaged or of another model, the config has another seed,
    /// batch size or accumulation, [what the run was begun with](Self::with_record) has changed, another
    /// process works on it, or the log cannot be written.
    pub fn resume_from(mut self, directory: impl AsRef<Path>) -> Result<Self, TrainError> {
        let (run, checkpoint) = Run::resume(directory.as_ref(), |checkpoint| {
            let (saved, given) = (checkpoint.config(), &self.config);
            unchanged("seed", saved.seed, given.seed)?;
            unchanged("batch_tokens", saved.batch_tokens as u64, given.batch_tokens as u64)?;
            unchanged("accumulate", saved.accumulate as u64, given.accumulate as u64)?;
            Ok(checkpoint.check(&self.given)?)
        })?;
        // What is not named today may be tomorrow.
        let saved = checkpoint.manifest().record.clone();
        self.record = saved.into_iter().chain(std::mem::take(&mut self.record)).collect();

        let model = checkpoint.load_model(self.take_model())?;
        checkpoint.load_optimizer(&mut self.optimizer, &model)?;
        self.model = Some(model);
        self.state = checkpoint.state().clone();
        self.run = Some(run);
        tracing::info!(step = self.state.step, path = %checkpoint.path().display(), "resumed");
        Ok(self)
    }

    /// Ends the run when `stop` is given.
    pub fn with_stop(mut self, stop: StopSignal) -> Self {
        self.stop = stop;
        self
    }

    /// Whether to draw a progress bar; by default on a terminal.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// The model as it stands.
    pub fn model(&self) -> &M {
        self.model.as_ref().expect(PRESENT)
    }

    /// The model as it stands, without the trainer.
    pub fn into_model(self) -> M {
        self.model.expect(PRESENT)
    }

    fn take_model(&mut self) -> M {
        self.model.take().expect(PRESENT)
    }

    /// Where the run stands.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// How the run is trained.
    pub fn config(&self) -> &TrainerConfig {
        &self.config
    }
}

impl<M, O> Trainer<M, O> {
    /// Refuses other data than the run was begun with, or records it.
    fn same_data(&mut self, name: &str, data: Option<String>) -> Result<(), CheckpointError> {
        let Some(given) = data else { return Ok(()) };
        match self.record.get(name).and_then(Value::as_str) {
            Some(saved) if saved != given => {
                let (what, saved) = (name.to_owned(), saved.to_owned());
                Err(CheckpointError::Changed { what, saved, given })
            }
            _ => {
                self.record.insert(name.to_owned(), given.into());
                Ok(())
            }
        }
    }
}

fn unchanged(key: &'static str, saved: u64, given: u64) -> Result<(), TrainError> {
    if saved == given { Ok(()) } else { Err(TrainError::Changed { key, saved, given }) }
}

impl<M, O> fmt::Debug for Trainer<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("config", &self.config)
            .field("state", &self.state)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}
