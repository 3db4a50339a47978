//! What can be set.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attn_files::json::{self, JsonError};
use attn_rnn::PoolingConfig;
use serde::{Deserialize, Serialize};

use super::model::{ModelError, ModelSettings};
use crate::io_error::IoError;

/// What can be set. A key that is missing in a file has its default, an unknown one is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Words of a sentence that are read.
    pub max_words: usize,
    /// Words that occur less often in what may be learnt from are all one word to the models.
    pub min_count: usize,
    /// How all models are trained.
    pub training: TrainingSettings,
    /// The models, in the order of the table.
    pub models: Vec<ModelSettings>,
}

/// How models are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSettings {
    /// Most passes over the sentences.
    pub max_epochs: usize,
    /// Passes without a better validation loss after which training ends.
    pub patience: usize,
    /// Sentences of a step.
    pub batch: usize,
    /// Learning rate, after a warm-up of the first fifty steps.
    pub rate: f64,
    /// Part of a weight that a step of rate 1 would take away.
    pub weight_decay: f32,
    /// Probability taken from the right label and spread over both.
    pub label_smoothing: f64,
    /// Parts of the training sentences for cross-fitted log ratios.
    pub folds: usize,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            max_epochs: 40,
            patience: 6,
            batch: 32,
            rate: 2e-3,
            weight_decay: 0.01,
            label_smoothing: 0.1,
            folds: 10,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let model = |name: &str, pooling| ModelSettings {
            name: name.into(),
            pooling,
            bidirectional: false,
            d_word: 32,
            d_hidden: 32,
            word_std: 0.3,
            word_dropout: 0.3,
            ratio_dropout: 0.1,
            dropout: 0.3,
            pooled_dropout: 0.3,
            penalty: 0.0,
            log_ratios: false,
        };
        let plain = [
            model("LSTM, last state", PoolingConfig::Last),
            model("LSTM, attention", PoolingConfig::Attention),
            ModelSettings {
                bidirectional: true,
                penalty: 0.1,
                dropout: 0.4,
                pooled_dropout: 0.5,
                ..model(
                    "self-attentive BiLSTM",
                    PoolingConfig::SelfAttentive { d_hidden: 32, hops: 4 },
                )
            },
        ];
        // With the ratios to go by, models can do with less of the words themselves.
        let with_ratios = plain.clone().map(|model| ModelSettings {
            name: format!("{}, log ratios", model.name),
            d_hidden: if model.bidirectional { 16 } else { 32 },
            word_dropout: 0.5,
            dropout: 0.3,
            pooled_dropout: 0.3,
            log_ratios: true,
            ..model
        });
        let models = [plain, with_ratios].concat();
        Self { max_words: 64, min_count: 2, training: TrainingSettings::default(), models }
    }
}

/// Why settings are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of another form.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: JsonError,
    },
    /// A number out of its range.
    #[error("`{key}` is {value}, must be {range}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// Nothing to train.
    #[error("`models` is empty")]
    NoModels,
    /// Two models of one name.
    #[error("`models` has two of the name {name:?}")]
    Twice {
        /// The name.
        name: String,
    },
    /// A model that cannot be built.
    #[error("in the model {name:?}: {source}")]
    Model {
        /// Its name.
        name: String,
        /// Why.
        source: ModelError,
    },
}

impl Settings {
    /// For the sentences that are made up: in them every word counts, so none is dropped, and it
    /// takes a while until a model finds out what a negation does.
    pub fn made_up() -> Self {
        let mut settings = Self::default();
        settings.training.max_epochs = 25;
        settings.training.rate = 4e-3;
        settings.training.patience = 15;
        settings.training.label_smoothing = 0.0;
        for model in &mut settings.models {
            model.word_dropout = 0.0;
            model.ratio_dropout = 0.0;
            model.dropout = 0.1;
            model.pooled_dropout = 0.1;
        }
        settings
    }

    /// Writes the settings as JSON, whole or not at all.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    pub fn save(&self, path: &Path) -> Result<(), IoError> {
        json::write(path, self).map_err(IoError::writing(path))
    }

    /// Reads settings from a JSON file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not of that form.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text =
            fs::read(path).map_err(|source| SettingsError::Read { path: path.into(), source })?;
        json::parse(&text).map_err(|source| SettingsError::Parse { path: path.into(), source })
    }

    /// Refuses nonsense before anything is allocated.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let training = &self.training;
        at_least("max_words", self.max_words, 1, "at least 1")?;
        at_least("min_count", self.min_count, 1, "at least 1")?;
        at_least("training.max_epochs", training.max_epochs, 1, "at least 1")?;
        at_least("training.patience", training.patience, 1, "at least 1")?;
        at_least("training.batch", training.batch, 1, "at least 1")?;
        let folds = training.folds;
        require((2..=1000).contains(&folds), "training.folds", folds, "from 2 to 1000")?;
        let positive = training.rate > 0.0 && training.rate.is_finite();
        require(positive, "training.rate", training.rate, "a positive number")?;
        let decay = training.weight_decay;
        let no_less = decay >= 0.0 && decay.is_finite();
        require(no_less, "training.weight_decay", decay, "0 or a positive number")?;
        probability("training.label_smoothing", training.label_smoothing)?;
        if self.models.is_empty() {
            return Err(SettingsError::NoModels);
        }
        let mut names = HashSet::new();
        for model in &self.models {
            let name = model.name.clone();
            if !names.insert(&model.name) {
                return Err(SettingsError::Twice { name });
            }
            model.validate().map_err(|source| SettingsError::Model { name, source })?;
        }
        Ok(())
    }
}

fn probability(key: &'static str, value: f64) -> Result<(), SettingsError> {
    require((0.0..1.0).contains(&value), key, value, "at least 0 and less than 1")
}

fn at_least(
    key: &'static str,
    value: usize,
    least: usize,
    range: &'static str,
) -> Result<(), SettingsError> {
    require(value >= least, key, value, range)
}

fn require(
    holds: bool,
    key: &'static str,
    value: impl ToString,
    range: &'static str,
) -> Result<(), SettingsError> {
    if holds {
        Ok(())
    } else {
        Err(SettingsError::OutOfRange { key, value: value.to_string(), range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_their_file() {
        for settings in [Settings::default(), Settings::made_up()] {
            settings.validate().unwrap();
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        }
    }

    #[test]
    fn nonsense_is_named() {
        let error = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        let found = error(&|settings| settings.training.folds = 1);
        assert_eq!(found, "`training.folds` is 1, must be from 2 to 1000");
        let found = error(&|settings| settings.training.rate = f64::NAN);
        assert_eq!(found, "`training.rate` is NaN, must be a positive number");
        let found = error(&|settings| settings.models.clear());
        assert_eq!(found, "`models` is empty");
        let found = error(&|settings| settings.models[1].name = settings.models[0].name.clone());
        assert_eq!(found, "`models` has two of the name \"LSTM, last state\"");
        let found = error(&|settings| settings.models[0].d_hidden = 0);
        assert!(found.contains("in the model \"LSTM, last state\": d_hidden is 0"), "{found}");
        let found = error(&|settings| settings.models[0].d_hidden = usize::MAX);
        assert!(found.contains("GiB; this machine has"), "{found}");
        let found = error(&|settings| settings.models[0].word_dropout = 1.0);
        assert!(found.contains("word_dropout = 1 is outside [0, 1)"), "{found}");
        let found = error(&|settings| settings.models[0].penalty = -0.5);
        assert!(found.contains("penalty = -0.5 must be 0 or a positive number"), "{found}");
    }
}
