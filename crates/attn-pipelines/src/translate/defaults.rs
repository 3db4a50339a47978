//! Settings that work without being thought about.

use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{AdamWConfig, Schedule, TrainerConfig};
use attn_transformer::{BlockConfig, EncoderDecoderConfig, NormKind};

use super::Settings;

/// Vocabulary size of a user's text, for the tokenizers that have one.
pub const VOCAB: usize = 4000;

/// Until the tokenizers are there.
pub const UNKNOWN_VOCAB: usize = 1;

/// Longest sentences of the built-in task.
pub const DATES_LEN: Lengths = Lengths { source: 64, target: 16 };

/// Longest sentences of a user's text.
pub const TEXT_LEN: Lengths = Lengths { source: 128, target: 128 };

/// For the built-in task: two minutes on two cores.
pub fn dates() -> Settings<EncoderDecoderConfig> {
    // Without biases and means: at this width a step is mostly small operations.
    let block = BlockConfig {
        d_ff: Some(128),
        dropout: 0.0,
        norm: NormKind::Rms,
        bias: false,
        ..BlockConfig::new(64, 4)
    };
    let model = EncoderDecoderConfig {
        encoder_layers: 2,
        decoder_layers: 1,
        ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, block)
    };
    Settings::for_dates(model, [3200, 200, 800])
}

/// For a user's text of some ten thousand to a million pairs.
pub fn text() -> Settings<EncoderDecoderConfig> {
    Settings::for_text(EncoderDecoderConfig {
        encoder_layers: 3,
        decoder_layers: 3,
        ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, BlockConfig::new(256, 4))
    })
}

impl<C> Settings<C> {
    /// For a model of the built-in task: `steps` of training, of which `warmup` at a rising rate, and
    /// a validation behind each `eval_every`.
    pub(crate) fn for_dates(model: C, [steps, warmup, eval_every]: [usize; 3]) -> Self {
        Self {
            tokenizer: TokenizerKind::Characters,
            max_len: DATES_LEN,
            overlong: Overlong::Refuse,
            model,
            training: TrainerConfig {
                seed: 1,
                max_steps: Some(steps),
                batch_tokens: 1024,
                schedule: Schedule::Cosine { peak: 4e-3, floor: 0.0, warmup, steps },
                adamw: AdamWConfig { beta_2: 0.99, weight_decay: 0.0, ..AdamWConfig::default() },
                label_smoothing: 0.0,
                eval_every,
                keep_last: 1,
                ..TrainerConfig::default()
            },
        }
    }

    /// For a model of a user's text.
    pub(crate) fn for_text(model: C) -> Self {
        Self {
            tokenizer: TokenizerKind::Bpe { vocab_size: VOCAB },
            max_len: TEXT_LEN,
            overlong: Overlong::Refuse,
            model,
            training: TrainerConfig {
                seed: 1,
                max_steps: Some(20_000),
                schedule: Schedule::InverseSquareRoot { peak: 1e-3, warmup: 1000 },
                ..TrainerConfig::default()
            },
        }
    }
}
