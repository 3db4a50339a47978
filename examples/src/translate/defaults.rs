//! Settings that work without being thought about.

use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{AdamWConfig, Schedule, TrainerConfig};
use attn_transformer::{BlockConfig, EncoderDecoderConfig, NormKind};

use super::Settings;

/// Vocabulary size of a user's text, for the tokenizers that have one.
pub const VOCAB: usize = 4000;

/// Until the tokenizers are there.
const UNKNOWN_VOCAB: usize = 1;

/// For the built-in task: two minutes on two cores.
pub fn dates() -> Settings<EncoderDecoderConfig> {
    let steps = 3200;
    Settings {
        tokenizer: TokenizerKind::Characters,
        max_len: Lengths { source: 64, target: 16 },
        overlong: Overlong::Refuse,
        model: EncoderDecoderConfig {
            encoder_layers: 2,
            decoder_layers: 1,
            ..EncoderDecoderConfig::new(
                UNKNOWN_VOCAB,
                UNKNOWN_VOCAB,
                // Without biases and means: at this width a step is mostly small operations.
                BlockConfig {
                    d_ff: Some(128),
                    dropout: 0.0,
                    norm: NormKind::Rms,
                    bias: false,
                    ..BlockConfig::new(64, 4)
                },
            )
        },
        training: TrainerConfig {
            seed: 1,
            max_steps: Some(steps),
            batch_tokens: 1024,
            schedule: Schedule::Cosine { peak: 4e-3, floor: 0.0, warmup: 200, steps },
            adamw: AdamWConfig { beta_2: 0.99, weight_decay: 0.0, ..AdamWConfig::default() },
            label_smoothing: 0.0,
            eval_every: 800,
            keep_last: 1,
            ..TrainerConfig::default()
        },
    }
}

/// For a user's text of some ten thousand to a million pairs.
pub fn text() -> Settings<EncoderDecoderConfig> {
    Settings {
        tokenizer: TokenizerKind::Bpe { vocab_size: VOCAB },
        max_len: Lengths { source: 128, target: 128 },
        overlong: Overlong::Refuse,
        model: EncoderDecoderConfig {
            encoder_layers: 3,
            decoder_layers: 3,
            ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, BlockConfig::new(256, 4))
        },
        training: TrainerConfig {
            seed: 1,
            max_steps: Some(20_000),
            schedule: Schedule::InverseSquareRoot { peak: 1e-3, warmup: 1000 },
            ..TrainerConfig::default()
        },
    }
}
