//! Settings that work without being thought about.

use attn_rnn::{DecoderConfig, EncoderConfig, RecurrentConfig, Seq2SeqConfig};
use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{AdamWConfig, Schedule, TrainerConfig};

use super::ModelArgs;
use super::attention::Widths;
use crate::translate::{Settings, VOCAB};

/// Until the tokenizers are there.
const UNKNOWN_VOCAB: usize = 1;

/// Half the width of a local attention's window: Luong et al. have 10, for longer sentences.
const WINDOW: usize = 5;

/// For the built-in task.
pub fn dates(args: ModelArgs) -> Settings<Seq2SeqConfig> {
    let max_len = Lengths { source: 64, target: 16 };
    let steps = 800;
    let widths = widths(args.width.unwrap_or(128), max_len);
    Settings {
        tokenizer: TokenizerKind::Characters,
        max_len,
        overlong: Overlong::Refuse,
        model: model(32, widths, args, 0.0),
        training: TrainerConfig {
            seed: 1,
            max_steps: Some(steps),
            batch_tokens: 1024,
            schedule: Schedule::Cosine { peak: 4e-3, floor: 0.0, warmup: 100, steps },
            adamw: AdamWConfig { beta_2: 0.99, weight_decay: 0.0, ..AdamWConfig::default() },
            label_smoothing: 0.0,
            eval_every: 400,
            keep_last: 1,
            ..TrainerConfig::default()
        },
    }
}

/// For a user's text of some ten thousand to a million pairs.
pub fn text(args: ModelArgs) -> Settings<Seq2SeqConfig> {
    let max_len = Lengths { source: 128, target: 128 };
    let widths = widths(args.width.unwrap_or(512), max_len);
    Settings {
        tokenizer: TokenizerKind::Bpe { vocab_size: VOCAB },
        max_len,
        overlong: Overlong::Refuse,
        model: model(256, widths, args, 0.2),
        training: TrainerConfig {
            seed: 1,
            max_steps: Some(20_000),
            schedule: Schedule::InverseSquareRoot { peak: 1e-3, warmup: 1000 },
            ..TrainerConfig::default()
        },
    }
}

/// Of what meets in the attention, for states of such a width.
fn widths(hidden: usize, max_len: Lengths) -> Widths {
    Widths { hidden, inner: hidden / 2, max_keys: max_len.source, window: WINDOW }
}

/// An encoder of both directions, so that an annotation is as wide as a state of the decoder.
fn model(embedding: usize, widths: Widths, args: ModelArgs, dropout: f64) -> Seq2SeqConfig {
    let reader = RecurrentConfig {
        bidirectional: true,
        ..RecurrentConfig::gru(embedding, widths.hidden / 2)
    };
    let writer = RecurrentConfig::gru(embedding, widths.hidden);
    let flow = args.attention.flow(widths, args.input_feeding);
    Seq2SeqConfig::new(
        EncoderConfig { dropout, ..EncoderConfig::new(UNKNOWN_VOCAB, reader) },
        DecoderConfig { dropout, ..DecoderConfig::new(UNKNOWN_VOCAB, writer, flow) },
    )
}
