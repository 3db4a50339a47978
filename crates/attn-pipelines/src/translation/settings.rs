//! What can be set about a run: `config.json`.

use std::io;
use std::path::{Path, PathBuf};

use attn_files::json::JsonError;
use attn_rnn::Seq2SeqConfig;
use attn_train::TrainerConfig;
use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_transformer::EncoderDecoderConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::architecture::{Architecture, ArchitectureError};
use crate::generation::TextSettings;
use crate::memory::{self, TooLarge};
use crate::settings_file;

/// Everything that a run is made of, but for its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings<C> {
    /// What a token is, on both sides; each side has its own vocabulary.
    pub tokenizer: TokenizerKind,
    /// The longest sentences that are trained on and translated, in tokens.
    pub max_len: Lengths,
    /// What becomes of longer ones.
    pub overlong: Overlong,
    /// The model. Its vocabulary sizes are those of the tokenizers, whatever they say here.
    pub model: C,
    /// The training.
    pub training: TrainerConfig,
}

/// The most tokens of a sentence.
const MAX_LEN: usize = 1 << 16;

/// The settings that are structures, beside those of the model: a file may give any part of them.
/// Others, such as `training.schedule`, are choices and are given whole.
const STRUCTURES: [&str; 3] = ["max_len", "training", "training.adamw"];

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not JSON, or a value is of the wrong type.
    #[error("{}: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: JsonError,
    },
    /// A value of the wrong type.
    #[error("{}: {key}, line {line}: {message}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key with those around it.
        key: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A run of another program.
    #[error(
        "{} is of a {found}, not of a {wanted}: use the example `{program}` for this run",
        .path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// What its model is.
        found: &'static str,
        /// What it is to be.
        wanted: &'static str,
        /// The example that such models belong to.
        program: &'static str,
    },
    /// There is no such setting.
    #[error("{}: unknown key `{key}`, expected one of {expected}", .path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key with those around it: `training.batch_token`.
        key: String,
        /// The keys that there are in its place.
        expected: String,
    },
    /// The model cannot be built.
    #[error("in `model`: {0}")]
    Model(#[from] ArchitectureError),
    /// The training cannot be done.
    #[error("in `training`: {0}")]
    Training(#[from] attn_train::ConfigError),
    /// The loss has a term that this model cannot have.
    #[error("in `training`: {0}")]
    Objective(#[from] attn_train::ObjectiveError),
    /// No sentence would fit.
    #[error("`max_len.{side}` is 0, must be at least 1")]
    NoLength {
        /// Source or target.
        side: &'static str,
    },
    /// More steps than a sentence is decoded for.
    #[error(
        "`max_len.{side}` is {length}, must be at most {MAX_LEN}: each step of a beam keeps its \
         keys and values"
    )]
    LongLength {
        /// Source or target.
        side: &'static str,
        /// What it is.
        length: usize,
    },
    /// More weights than memory.
    #[error("in `model`: {0}")]
    TooLarge(#[from] TooLarge),
    /// Windows of nothing.
    #[error("`context` is 0, must be at least 1")]
    NoContext,
    /// Longer windows than the attention takes.
    #[error(
        "`context` is {context}, but the attention of the model has scores for {places} places"
    )]
    ContextTooLong {
        /// Tokens of a window.
        context: usize,
        /// Number of places.
        places: usize,
    },
    /// Longer sentences than the positions of the model.
    #[error("`max_len` is {max_len}, but the positions of the model end at {positions}")]
    TooFewPositions {
        /// The longer side.
        max_len: usize,
        /// Number of positions.
        positions: usize,
    },
    /// Longer sources than the attention has scores for.
    #[error(
        "`max_len.source` is {max_len}, but the attention of the model has scores for {places} places"
    )]
    TooFewPlaces {
        /// The longest source.
        max_len: usize,
        /// Number of places.
        places: usize,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl<C: Architecture> Settings<C> {
    /// These settings, changed by what a file says.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing or no JSON, has a key that is no setting, or a value of
    /// another type.
    pub fn overlaid_with(&self, path: &Path) -> Result<Self, SettingsError> {
        settings_file::overlaid(self, path, &[&STRUCTURES[..], C::STRUCTURES].concat())
    }

    /// Reads the complete settings of a run.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing, is no JSON or holds nonsense.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let settings: Self =
            settings_file::load(path).map_err(|error| other_model::<C>(path).unwrap_or(error))?;
        settings.validate()?;
        Ok(settings)
    }

    /// Writes the settings, whole or not at all.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    pub fn save(&self, path: &Path) -> Result<(), SettingsError> {
        settings_file::save(self, path)
    }

    /// Refuses nonsense before anything is read or computed.
    ///
    /// # Errors
    ///
    /// Names the first value that makes no sense.
    pub fn validate(&self) -> Result<(), SettingsError> {
        memory::check(self.model.least_weights())?;
        self.model.validate()?;
        self.training.validate()?;
        self.training.sequence_loss().check_weights(self.model.returns_weights())?;
        let Lengths { source, target } = self.max_len;
        for (side, length) in [("source", source), ("target", target)] {
            if length == 0 {
                return Err(SettingsError::NoLength { side });
            }
            if length > MAX_LEN {
                return Err(SettingsError::LongLength { side, length });
            }
        }
        if let Some(places) = self.model.max_source().filter(|&places| places < source) {
            return Err(SettingsError::TooFewPlaces { max_len: source, places });
        }
        let max_len = source.max(target);
        match self.model.max_len() {
            Some(positions) if positions < max_len => {
                Err(SettingsError::TooFewPositions { max_len, positions })
            }
            _ => Ok(()),
        }
    }
}

/// The architecture that a run's model is of, if it is none of `C`.
fn other_model<C: Architecture>(path: &Path) -> Option<SettingsError> {
    let known = [
        (EncoderDecoderConfig::KEY, EncoderDecoderConfig::NAME, EncoderDecoderConfig::PROGRAM),
        (Seq2SeqConfig::KEY, Seq2SeqConfig::NAME, Seq2SeqConfig::PROGRAM),
        (TextSettings::KEY, TextSettings::NAME, TextSettings::PROGRAM),
    ];
    let is_other = |&(key, ..): &(&str, _, _)| key != C::KEY && has_model_key(path, key);
    let (_, found, program) = known.into_iter().find(is_other)?;
    Some(SettingsError::OtherModel { path: path.into(), found, wanted: C::NAME, program })
}

/// Whether a file of settings is there, is JSON, and its `model` has a key.
pub(crate) fn has_model_key(path: &Path, key: &str) -> bool {
    let settings: Result<Value, _> = settings_file::load(path);
    settings.is_ok_and(|settings| settings["model"].get(key).is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::translation::presets;

    fn overlaid(changes: &str) -> Result<Settings<EncoderDecoderConfig>, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        fs::write(&path, changes).unwrap();
        presets::tests::text().overlaid_with(&path)
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let settings = overlaid(
            r#"{"model": {"encoder_layers": 1, "block": {"heads": 8}},
                "training": {"schedule": {"kind": "constant", "peak": 0.5}}}"#,
        )
        .unwrap();
        let mut expected = presets::tests::text();
        expected.model.encoder_layers = 1;
        expected.model.block.heads = 8;
        expected.training.schedule = attn_train::Schedule::Constant { peak: 0.5, warmup: 0 };
        assert_eq!(settings, expected);
    }

    #[test]
    fn keys_of_an_earlier_version_are_taken_in() {
        let settings =
            overlaid(r#"{"model": {"block": {"softcap": 30.0, "attention_dropout": 0.2}}}"#)
                .unwrap();
        let mut expected = presets::tests::text();
        let block = expected.model.block.with_softcap(30.0).with_attention_dropout(0.2);
        expected.model.block = block;
        assert_eq!(settings, expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = overlaid(r#"{"model": {"block": {"head": 8}}}"#).unwrap_err().to_string();
        assert!(error.contains("mine.json: unknown key `model.block.head`"), "{error}");
        assert!(error.contains("heads"), "{error}");
        let error = overlaid(r#"{"training": {"schedule": {"kind": "constant", "top": 1}}}"#);
        assert!(error.unwrap_err().to_string().contains("unknown field `top`"));
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key_and_line() {
        let text = "\u{feff}{\"model\": {},\n\"training\": {\n\"max_steps\": \"many\"}}";
        let error = overlaid(text).unwrap_err().to_string();
        assert!(error.contains("mine.json: training.max_steps, line 3: invalid type"), "{error}");
        let error = overlaid("{\"model\": {\n\"block\": 1, \"block\": 2}}").unwrap_err();
        assert!(error.to_string().contains("the key `block` is there twice"), "{error}");
    }

    #[test]
    fn nonsense_is_named() {
        for (changes, message) in [
            (r#"{"model": {"block": {"d_model": 250}}}"#, "in `model`: "),
            (r#"{"model": {"encoder_layers": 0}}"#, "encoder_layers"),
            (r#"{"training": {"batch_tokens": 0}}"#, "in `training`: batch_tokens = 0"),
            (r#"{"model": {"block": {"d_model": 1000000000000}}}"#, "this machine has"),
            (r#"{"model": {"decoder_layers": 1000000000000}}"#, "this machine has"),
            (r#"{"max_len": {"target": 0}}"#, "`max_len.target` is 0"),
            (r#"{"model": {"positions": {"learned": {"max_len": 7}}}}"#, "end at 7"),
        ] {
            let error = overlaid(changes).unwrap().validate().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn settings_survive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        for settings in [presets::tests::text(), presets::tests::dates()] {
            settings.validate().unwrap();
            settings.save(&path).unwrap();
            assert_eq!(Settings::load(&path).unwrap(), settings);
            assert_eq!(presets::tests::text().overlaid_with(&path).unwrap(), settings);
        }
    }
}
