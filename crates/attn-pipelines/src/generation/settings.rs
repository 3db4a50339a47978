//! What can be set about a run on one text: its `config.json`.

use std::path::Path;

use attn_train::tokenizer::TokenizerKind;
use attn_train::{Schedule, TrainerConfig};
use attn_transformer::{BlockConfig, DecoderOnlyConfig};
use serde::{Deserialize, Serialize};

use crate::translation::{SettingsError, UNKNOWN_VOCAB};
use crate::{memory, settings_file};

/// Everything that a run on one text is made of, but for the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// What a token is.
    pub tokenizer: TokenizerKind,
    /// Tokens of the windows that are trained on.
    pub context: usize,
    /// The model. Its vocabulary size is that of the tokenizer, whatever it says here.
    pub model: DecoderOnlyConfig,
    /// The training.
    pub training: TrainerConfig,
}

impl TextSettings {
    /// What such a model is called, for the user.
    pub(crate) const NAME: &str = "decoder-only model";
    /// The example that trains such models.
    pub(crate) const PROGRAM: &str = "gpt";
    /// A key that no other architecture's `model` has in its `config.json`.
    pub(crate) const KEY: &str = "layers";

    /// A model of `layers` such blocks, with a token for every character, `steps` of training and
    /// windows of 128 tokens.
    pub fn new(layers: usize, block: BlockConfig, steps: usize) -> Self {
        Self {
            tokenizer: TokenizerKind::Characters,
            context: 128,
            model: DecoderOnlyConfig { layers, ..DecoderOnlyConfig::new(UNKNOWN_VOCAB, block) },
            training: TrainerConfig {
                seed: 1,
                max_steps: Some(steps),
                batch_tokens: 2048,
                schedule: Schedule::Cosine { peak: 2e-3, floor: 1e-4, warmup: steps / 10, steps },
                label_smoothing: 0.0,
                eval_every: (steps / 4).max(1),
                keep_last: 1,
                ..TrainerConfig::default()
            },
        }
    }

    /// Reads the complete settings of a run.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing, is no JSON or holds nonsense.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let settings: Self = settings_file::load(path)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Refuses nonsense before anything is read or computed.
    ///
    /// # Errors
    ///
    /// Names the first value that makes no sense.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let DecoderOnlyConfig { vocab, layers, block, positions, .. } = &self.model;
        let tables =
            memory::of_table(vocab.saturating_add(positions.max_len().unwrap_or(0)), block.d_model);
        memory::check(memory::of_blocks(*layers, block).saturating_add(tables))?;
        self.model.validate().map_err(|error| SettingsError::Model(error.into()))?;
        self.training.validate()?;
        self.training.sequence_loss().check_weights(false)?;
        if self.context == 0 {
            return Err(SettingsError::NoContext);
        }
        match block.mechanism.max_keys() {
            Some(places) if places < self.context => {
                Err(SettingsError::ContextTooLong { context: self.context, places })
            }
            _ => Ok(()),
        }
    }
}
