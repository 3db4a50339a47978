//! Settings that work without being thought about, for any model.

use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{AdamWConfig, Schedule, TrainerConfig};

use super::Settings;

/// Vocabulary size of a user's text, for the tokenizers that have one.
pub const VOCAB: usize = 4000;

/// The vocabulary size of a model until the tokenizers are there.
pub const UNKNOWN_VOCAB: usize = 1;

/// Longest sentences of the built-in task.
pub const DATES_LEN: Lengths = Lengths { source: 64, target: 16 };

/// Longest words, in letters and in phonemes; CMUdict's longest has 34 letters.
pub const WORDS_LEN: Lengths = Lengths { source: 64, target: 64 };

/// Longest sentences of a user's text.
pub const TEXT_LEN: Lengths = Lengths { source: 128, target: 128 };

impl<C> Settings<C> {
    /// For a model of the built-in task, with a token for every character: `steps` of training, of which `warmup` at a rising rate, and
    /// a validation behind each `eval_every`.
    pub fn for_dates(model: C, [steps, warmup, eval_every]: [usize; 3]) -> Self {
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

    /// For a model of single words: their letters, or phonemes, with blanks between them, are the
    /// tokens; words of more than 64 are left out. A `large` task is a dictionary of a language, a
    /// small one has some ten thousand words.
    pub fn for_words(model: C, large: bool) -> Self {
        let (steps, batch_tokens, peak) =
            if large { (2500, 4096, 2e-3) } else { (600, 1024, 4e-3) };
        Self {
            tokenizer: TokenizerKind::Words { vocab_size: 1000 },
            max_len: WORDS_LEN,
            // One word that is longer would refuse the dictionary.
            overlong: Overlong::Drop,
            model,
            training: TrainerConfig {
                seed: 1,
                max_steps: Some(steps),
                batch_tokens,
                schedule: Schedule::Cosine { peak, floor: 0.0, warmup: steps / 10, steps },
                adamw: AdamWConfig { beta_2: 0.99, ..AdamWConfig::default() },
                label_smoothing: 0.1,
                eval_every: steps / 8,
                keep_last: 1,
                ..TrainerConfig::default()
            },
        }
    }

    /// For a model of somebody's text of some ten thousand to a million pairs, in byte pairs.
    pub fn for_text(model: C) -> Self {
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

#[cfg(test)]
pub(super) mod tests {
    use attn_transformer::{BlockConfig, EncoderDecoderConfig};

    use super::*;

    fn model(d_model: usize) -> EncoderDecoderConfig {
        EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, BlockConfig::new(d_model, 4))
    }

    pub fn dates() -> Settings<EncoderDecoderConfig> {
        Settings::for_dates(model(64), [3200, 200, 800])
    }

    pub fn text() -> Settings<EncoderDecoderConfig> {
        Settings::for_text(model(256))
    }
}
