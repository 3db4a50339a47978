//! Settings that work without being thought about.

use attn_rnn::{DecoderConfig, EncoderConfig, RecurrentConfig, Seq2SeqConfig};
use attn_train::batch::Lengths;

use super::ModelArgs;
use super::attention::Widths;
use crate::translate::{DATES_LEN, Settings, TEXT_LEN, UNKNOWN_VOCAB};

/// Half the width of a local attention's window: Luong et al. have 10, for longer sentences.
const WINDOW: usize = 5;

/// For the built-in task.
pub fn dates(args: ModelArgs) -> Settings<Seq2SeqConfig> {
    let width = args.width.unwrap_or(128);
    Settings::for_dates(model(32, width, args, DATES_LEN, 0.0), [800, 100, 400])
}

/// For a user's text of some ten thousand to a million pairs.
pub fn text(args: ModelArgs) -> Settings<Seq2SeqConfig> {
    let width = args.width.unwrap_or(512);
    Settings::for_text(model(256, width, args, TEXT_LEN, 0.2))
}

/// With an encoder of both directions, so that an annotation is as wide as a state of the decoder.
pub fn model(
    embedding: usize,
    width: usize,
    args: ModelArgs,
    max_len: Lengths,
    dropout: f64,
) -> Seq2SeqConfig {
    let reader =
        RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(embedding, width / 2) };
    let writer = RecurrentConfig::gru(embedding, width);
    let widths =
        Widths { hidden: width, inner: width / 2, max_keys: max_len.source, window: WINDOW };
    let flow = args.attention.flow(widths, args.input_feeding);
    Seq2SeqConfig::new(
        EncoderConfig { dropout, ..EncoderConfig::new(UNKNOWN_VOCAB, reader) },
        DecoderConfig { dropout, ..DecoderConfig::new(UNKNOWN_VOCAB, writer, flow) },
    )
}
