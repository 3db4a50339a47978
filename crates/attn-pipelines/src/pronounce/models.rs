//! The two models, with settings that work without being thought about.

use attn_rnn::Seq2SeqConfig;
use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{AdamWConfig, Schedule, TrainerConfig};
use attn_transformer::{BlockConfig, EncoderDecoderConfig};

use crate::seq2seq::{self, AttentionName, ModelArgs};
use crate::translate::{Settings, UNKNOWN_VOCAB};

/// How large a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Up to some ten thousand words, as the built-in task has them.
    Small,
    /// A dictionary of a language.
    Large,
}

impl Size {
    /// Of a task with so many words to test with, which are one of twenty.
    pub fn of(test_words: usize) -> Self {
        if test_words < 2500 { Self::Small } else { Self::Large }
    }
}

/// A GRU in both directions, and one that looks at it as Bahdanau et al. (2015) have it.
pub fn recurrent(size: Size) -> Settings<Seq2SeqConfig> {
    let (embedding, width, dropout) = match size {
        Size::Small => (32, 128, 0.0),
        Size::Large => (64, 256, 0.1),
    };
    let attention = AttentionName::Bahdanau;
    let args = ModelArgs { attention, input_feeding: false, width: Some(width) };
    let model = seq2seq::model(embedding, width, args, max_len(), dropout);
    settings(model, size)
}

/// Two layers of each, pre-norm.
pub fn transformer(size: Size) -> Settings<EncoderDecoderConfig> {
    let block = match size {
        Size::Small => BlockConfig { dropout: 0.0, ..BlockConfig::new(64, 4) },
        Size::Large => BlockConfig::new(256, 4),
    };
    let model = EncoderDecoderConfig {
        encoder_layers: 2,
        decoder_layers: 2,
        ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, block)
    };
    settings(model, size)
}

/// CMUdict's longest word has 34 letters.
fn max_len() -> Lengths {
    Lengths { source: 64, target: 64 }
}

fn settings<C>(model: C, size: Size) -> Settings<C> {
    let (steps, batch_tokens, peak) = match size {
        Size::Small => (600, 1024, 4e-3),
        Size::Large => (2500, 4096, 2e-3),
    };
    Settings {
        // A letter, or a phoneme, is a word of its line.
        tokenizer: TokenizerKind::Words { vocab_size: 1000 },
        max_len: max_len(),
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
