//! How a run is trained, as a value that loads from and saves to JSON.

use std::path::Path;

use attn_core::config::{check_version, load, save};
use attn_core::regularize::EntropyRegularizer;
use serde::{Deserialize, Serialize};

use crate::batch::BatchPlanConfig;
pub use crate::config_error::ConfigError;
use crate::config_error::require;
use crate::objective::SequenceLoss;
use crate::optimizer::AdamWConfig;
use crate::schedule::Schedule;
use crate::with_options::with_options;

/// Version of the file format of [`TrainerConfig`].
pub const CONFIG_VERSION: u32 = 1;

/// The batches of a step are in memory together: of 4096 tokens a side, so many take 2 GiB.
const MAX_ACCUMULATE: usize = 1 << 16;

/// Why a config could not be read from a file or written to one.
pub type ConfigFileError = attn_core::config::ConfigFileError<ConfigError>;

/// How a run is trained.
///
/// A key that is missing in a file gets its default, an unknown key is refused.
///
/// ```
/// use attn_train::{Schedule, TrainerConfig};
///
/// let schedule = Schedule::Constant { peak: 1e-3, warmup: 100 };
/// let config = TrainerConfig::new().with_max_steps(Some(2000)).with_schedule(schedule);
/// assert_eq!(config.eval_every, 500);
/// config.validate()?;
/// # Ok::<(), attn_train::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// Format of the file this was loaded from. Default [`CONFIG_VERSION`].
    pub version: u32,
    /// Start of all randomness of the run: the order of the data and dropout. Default 0.
    pub seed: u64,
    /// Stop after this many steps. Default 10 000.
    pub max_steps: Option<usize>,
    /// Stop after this many passes over the data. Default `None`.
    pub max_epochs: Option<usize>,
    /// Stop after this many minutes, counted anew when a run is resumed. Default `None`.
    pub max_minutes: Option<f64>,
    /// Room of a batch in tokens a side, padding included: see [`train_plan`](Self::train_plan).
    /// Default 4096.
    pub batch_tokens: usize,
    /// Batches that make one step. Their losses are summed and divided once by the sum of their
    /// tokens, so the step is that of one batch `accumulate` times as large. Default 1.
    pub accumulate: usize,
    /// Learning rate of each step. Default: inverse square root, peak 7e-4, warm-up 1000.
    pub schedule: Schedule,
    /// The optimizer.
    pub adamw: AdamWConfig,
    /// Longest gradient, all parameters together; longer ones are shortened to it. Default 1.
    pub clip_norm: Option<f64>,
    /// Probability taken from the right token and spread over all: see
    /// [`sequence_loss`](Self::sequence_loss). Default 0.1 (Vaswani et al. 2017, section 5.4).
    pub label_smoothing: f64,
    /// Weight of a loss of attention to the same source tokens again, for models that return attention
    /// weights: see [`sequence_loss`](Self::sequence_loss). Default 0; 1 in See et al. (2017).
    pub coverage_loss: f64,
    /// Focuses or spreads attention, for models that return attention weights: see
    /// [`sequence_loss`](Self::sequence_loss). Default `None`.
    pub attention_entropy: Option<EntropyRegularizer>,
    /// Steps from one evaluation, and checkpoint, to the next. Default 500.
    pub eval_every: usize,
    /// Stop after this many evaluations in a row that were no better than the best. Default 10.
    pub patience: Option<usize>,
    /// Checkpoints that are kept, beside the best one. Default 2.
    pub keep_last: usize,
    /// Steps from one line of the metrics log to the next. Default 50.
    pub log_every: usize,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            version: CONFIG_VERSION,
            seed: 0,
            max_steps: Some(10_000),
            max_epochs: None,
            max_minutes: None,
            batch_tokens: 4096,
            accumulate: 1,
            schedule: Schedule::InverseSquareRoot { peak: 7e-4, warmup: 1000 },
            adamw: AdamWConfig::default(),
            clip_norm: Some(1.0),
            label_smoothing: 0.1,
            coverage_loss: 0.0,
            attention_entropy: None,
            eval_every: 500,
            patience: Some(10),
            keep_last: 2,
            log_every: 50,
        }
    }
}

impl TrainerConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads and checks a JSON file.
    ///
    /// # Errors
    /// If the file cannot be read, is no such JSON, is of another version, or a value is out of range.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigFileError> {
        load(path.as_ref(), CONFIG_VERSION, Self::validate)
    }

    /// Writes the config as JSON, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written; an old one is then unharmed.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ConfigFileError> {
        save(self, path.as_ref())
    }

    /// Checks every value, before anything is allocated.
    ///
    /// # Errors
    /// Names the first key whose value is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_version(self.version, CONFIG_VERSION)?;
        if self.max_steps.is_none() && self.max_epochs.is_none() {
            return Err(ConfigError::Endless);
        }
        let at_least_one = |key, count: usize| require(count > 0, key, count, "at least 1");
        at_least_one("max_steps", self.max_steps.unwrap_or(1))?;
        at_least_one("max_epochs", self.max_epochs.unwrap_or(1))?;
        let minutes = self.max_minutes.unwrap_or(1.0);
        require(minutes > 0.0, "max_minutes", minutes, "a positive number")?;
        at_least_one("batch_tokens", self.batch_tokens)?;
        let range = (1..=MAX_ACCUMULATE).contains(&self.accumulate);
        let expected = "from 1 to 65536: the batches of a step are in memory together";
        require(range, "accumulate", self.accumulate, expected)?;
        self.schedule.validate()?;
        self.adamw.validate()?;
        let norm = self.clip_norm.unwrap_or(1.0);
        require(norm > 0.0, "clip_norm", norm, "a positive number, or null for no clipping")?;
        let smoothing = self.label_smoothing;
        let range = (0.0..1.0).contains(&smoothing);
        require(range, "label_smoothing", smoothing, "at least 0 and less than 1")?;
        let coverage = self.coverage_loss;
        require((0.0..=1e18).contains(&coverage), "coverage_loss", coverage, "from 0 to 1e18")?;
        let strength = self.attention_entropy.map_or(0.0, |regularizer| regularizer.strength);
        let range = (0.0..=1e18).contains(&strength);
        require(range, "attention_entropy.strength", strength, "from 0 to 1e18")?;
        at_least_one("eval_every", self.eval_every)?;
        at_least_one("patience", self.patience.unwrap_or(1))?;
        at_least_one("keep_last", self.keep_last)?;
        at_least_one("log_every", self.log_every)
    }

    /// How training examples are gathered into batches: shuffled anew in every epoch.
    pub fn train_plan(&self) -> BatchPlanConfig {
        BatchPlanConfig {
            tokens: self.batch_tokens,
            seed: Some(self.seed),
            ..BatchPlanConfig::default()
        }
    }

    /// How validation examples are gathered into batches: always the same.
    pub fn valid_plan(&self) -> BatchPlanConfig {
        BatchPlanConfig { tokens: self.batch_tokens, seed: None, ..BatchPlanConfig::default() }
    }

    /// The objective of a sequence model, with this config's label smoothing and regularizers.
    pub fn sequence_loss(&self) -> SequenceLoss {
        SequenceLoss {
            label_smoothing: self.label_smoothing,
            coverage_loss: self.coverage_loss,
            attention_entropy: self.attention_entropy,
        }
    }
}

with_options!(TrainerConfig {
    with_seed: seed: u64,
    with_max_steps: max_steps: Option<usize>,
    with_max_epochs: max_epochs: Option<usize>,
    with_max_minutes: max_minutes: Option<f64>,
    with_batch_tokens: batch_tokens: usize,
    with_accumulate: accumulate: usize,
    with_schedule: schedule: Schedule,
    with_adamw: adamw: AdamWConfig,
    with_clip_norm: clip_norm: Option<f64>,
    with_label_smoothing: label_smoothing: f64,
    with_eval_every: eval_every: usize,
    with_patience: patience: Option<usize>,
    with_keep_last: keep_last: usize,
    with_log_every: log_every: usize,
    with_coverage_loss: coverage_loss: f64,
    with_attention_entropy: attention_entropy: Option<EntropyRegularizer>,
});

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("training.json");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn a_config_comes_back_from_its_file() {
        let (_directory, path) = file("old");
        let config = TrainerConfig {
            seed: u64::MAX,
            max_epochs: Some(3),
            max_minutes: Some(0.5),
            schedule: Schedule::Cosine { peak: 3e-4, floor: 1e-6, warmup: 7, steps: 900 },
            clip_norm: None,
            patience: None,
            ..TrainerConfig::default()
        };
        config.save(&path).unwrap();
        assert_eq!(TrainerConfig::load(&path).unwrap(), config);
    }

    #[test]
    fn a_missing_key_gets_its_default() {
        let (_directory, path) = file(r#"{"accumulate": 3, "adamw": {"beta_2": 0.999}}"#);
        let adamw = AdamWConfig { beta_2: 0.999, ..AdamWConfig::default() };
        let expected = TrainerConfig { accumulate: 3, adamw, ..TrainerConfig::default() };
        assert_eq!(TrainerConfig::load(&path).unwrap(), expected);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let (_directory, path) = file("{\n  \"seed\": 1,\n  \"warmup\": 5\n}");
        let error = TrainerConfig::load(&path).unwrap_err().to_string();
        let expected = format!("{}: warmup, line 3: unknown field `warmup`", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn another_version_is_named_before_its_keys_are_read() {
        let (_directory, path) = file(r#"{"version": 2, "later": true}"#);
        let error = TrainerConfig::load(&path).unwrap_err();
        let said = error.source().unwrap().to_string();
        assert_eq!(said, "version 2 is unknown, this build reads 1 to 1");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = TrainerConfig::load("no/such/training.json").unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/training.json");
        let error = TrainerConfig::default().save("no/such/training.json").unwrap_err();
        assert_eq!(error.to_string(), "cannot write no/such/training.json");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_key() {
        for (text, message) in [
            (r#"{"max_steps": 0}"#, "max_steps = 0 must be at least 1"),
            (r#"{"max_epochs": 0}"#, "max_epochs = 0 must be at least 1"),
            (r#"{"max_minutes": -1}"#, "max_minutes = -1 must be a positive number"),
            (r#"{"max_steps": null}"#, "max_steps and max_epochs are both missing"),
            (r#"{"batch_tokens": 0}"#, "batch_tokens = 0 must be at least 1"),
            (r#"{"accumulate": 0}"#, "accumulate = 0 must be from 1 to 65536"),
            (r#"{"accumulate": 65537}"#, "accumulate = 65537 must be from 1 to 65536"),
            (r#"{"schedule": {"kind": "constant", "peak": 0}}"#, "schedule.peak = 0 must be"),
            (r#"{"adamw": {"beta_1": 1}}"#, "adamw.beta_1 = 1 must be"),
            (r#"{"adamw": {"beta_2": -0.5}}"#, "adamw.beta_2 = -0.5 must be"),
            (r#"{"adamw": {"epsilon": 0}}"#, "adamw.epsilon = 0 must be"),
            (r#"{"adamw": {"weight_decay": -1}}"#, "adamw.weight_decay = -1 must be"),
            (r#"{"clip_norm": 0}"#, "clip_norm = 0 must be a positive number"),
            (r#"{"label_smoothing": 1}"#, "label_smoothing = 1 must be at least 0 and less than 1"),
            (r#"{"coverage_loss": -1}"#, "coverage_loss = -1 must be from 0 to 1e18"),
            (
                r#"{"attention_entropy": {"goal": "focus", "strength": -1}}"#,
                "attention_entropy.strength = -1 must be from 0 to 1e18",
            ),
            (r#"{"eval_every": 0}"#, "eval_every = 0 must be at least 1"),
            (r#"{"patience": 0}"#, "patience = 0 must be at least 1"),
            (r#"{"keep_last": 0}"#, "keep_last = 0 must be at least 1"),
            (r#"{"log_every": 0}"#, "log_every = 0 must be at least 1"),
        ] {
            let (_directory, path) = file(text);
            let error = TrainerConfig::load(&path).unwrap_err();
            let error = error.source().unwrap().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn the_defaults_are_valid() {
        TrainerConfig::default().validate().unwrap();
    }
}
