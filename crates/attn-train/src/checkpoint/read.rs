//! Reading checkpoints.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::Deserialize;

use super::state::{Fingerprint, Manifest, TrainState};
use super::{
    CHECKPOINT_VERSION, CheckpointError, Checkpoints, FIRST, MODEL, RunRecord, SECOND, STATE,
};
use crate::config::TrainerConfig;
use crate::optimizer::AdamW;

/// A checkpoint on disk whose state has been read.
///
/// ```no_run
/// use attn_train::Checkpoint;
/// # fn init() -> burn::nn::Linear { unimplemented!() }
///
/// let model = init(); // as for training
/// let model = Checkpoint::best("runs/en-fr")?.load_model(model)?;
/// # Ok::<(), attn_train::CheckpointError>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
}

impl Checkpoint {
    /// The latest checkpoint of the run in `directory`.
    ///
    /// # Errors
    /// If there is none, or its state cannot be read.
    pub fn latest(directory: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let checkpoints = Checkpoints::of_run(directory.as_ref());
        match checkpoints.steps()?.last() {
            Some(&step) => Self::open(checkpoints.path(step)),
            None => Err(CheckpointError::Missing { path: directory.as_ref().into() }),
        }
    }

    /// The checkpoint with the lowest validation loss of the run in `directory`; the latest if the
    /// run was not evaluated.
    ///
    /// # Errors
    /// If there is none, or its state cannot be read.
    pub fn best(directory: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let latest = Self::latest(&directory)?;
        match latest.state().best {
            Some(best) if best.step != latest.state().step => {
                Self::open(Checkpoints::of_run(directory.as_ref()).path(best.step))
            }
            _ => Ok(latest),
        }
    }

    /// One checkpoint, by its own path (`…/step-00001200`).
    ///
    /// # Errors
    /// If its state cannot be read, is damaged or of another version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let path = path.into();
        let file = path.join(STATE);
        let text = read(&file)?;
        let damaged = |source: serde_json::Error| CheckpointError::Damaged {
            path: file.clone(),
            reason: source.to_string(),
        };
        // The version first: the keys of another version would only be called damage.
        let Versioned { version } = serde_json::from_slice(&text).map_err(damaged)?;
        if !(1..=CHECKPOINT_VERSION).contains(&version) {
            return Err(CheckpointError::Version { path: file, found: version });
        }
        let manifest = serde_json::from_slice(&text).map_err(damaged)?;
        Ok(Self { path, manifest })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run stood.
    pub fn state(&self) -> &TrainState {
        &self.manifest.state
    }

    /// How the run was trained.
    pub fn config(&self) -> &TrainerConfig {
        &self.manifest.config
    }

    /// Refuses a model config, a tokenizer or whatever else `record` holds that is not what the run was
    /// begun with; call it before [`load_model`](Self::load_model), which sees the shapes alone. What the
    /// checkpoint does not know of is not compared.
    ///
    /// # Errors
    /// [`CheckpointError::Changed`], with what has changed and both values.
    pub fn check(&self, record: &RunRecord) -> Result<(), CheckpointError> {
        record.compare(&self.manifest.record)
    }

    /// What it was saved with.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `model` with the parameters of the checkpoint, on its own device and in its own precision.
    ///
    /// # Errors
    /// If the file is damaged, or of a model with other parameters.
    pub fn load_model<M: Module>(&self, model: M) -> Result<M, CheckpointError> {
        self.load(MODEL, model)
    }

    /// Gives the optimizer the moments of the parameters of `model`.
    pub(crate) fn load_optimizer<M: Module>(
        &self,
        optimizer: &mut AdamW,
        model: &M,
    ) -> Result<(), CheckpointError> {
        let first = self.load(FIRST, model.valid())?;
        let second = self.load(SECOND, model.valid())?;
        optimizer.load_moments(model, &first, &second, &self.manifest.moments).map_err(|error| {
            CheckpointError::Damaged { path: self.path.join(STATE), reason: error.to_string() }
        })
    }

    fn load<M: Module>(&self, name: &str, module: M) -> Result<M, CheckpointError> {
        let path = self.path.join(name);
        let record = self.record(&path, name)?;
        module
            .try_load_record(record.cast_to_module_dtype())
            .map_err(|source| CheckpointError::OtherModel { path, source })
    }

    /// Reads a record, after comparing its file with what was written.
    fn record(&self, path: &Path, name: &str) -> Result<ModuleRecord, CheckpointError> {
        let bytes = read(path)?;
        let damaged = |reason| CheckpointError::Damaged { path: path.into(), reason };

        let found = Fingerprint::of(&bytes);
        match self.manifest.files.get(name) {
            None => return Err(damaged(format!("{STATE} does not mention it"))),
            Some(expected) if expected.bytes != found.bytes => {
                let (expected, found) = (expected.bytes, found.bytes);
                return Err(damaged(format!("it has {found} bytes in place of {expected}")));
            }
            Some(expected) if expected.crc32 != found.crc32 => {
                return Err(damaged("its checksum is wrong".into()));
            }
            Some(_) => {}
        }
        ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes))
            .map_err(|error| damaged(error.to_string()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => CheckpointError::Missing { path: path.into() },
        _ => CheckpointError::Read { path: path.into(), source },
    })
}
