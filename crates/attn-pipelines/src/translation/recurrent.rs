//! A recurrent encoder–decoder as a model for pairs of sentences.

use attn_core::score::ScoreConfig;
use attn_generate::Start;
use attn_rnn::{
    DecoderConfig, EncoderConfig, RecurrentConfig, Seq2Seq, Seq2SeqConfig, Seq2SeqState,
};
use attn_train::batch::TokenBatch;
use attn_train::tokenizer::BOS;
use burn::tensor::{Device, Int, Tensor};

use super::attention_name::Widths;
use super::{
    Alignments, Architecture, ArchitectureError, AttentionName, TranslationModel, UNKNOWN_VOCAB,
};
use crate::memory;

/// Half the width of a local attention's window: Luong et al. have 10, for longer sentences.
const WINDOW: usize = 5;

/// A recurrent encoder–decoder in a few numbers: gated recurrent units, in both directions in the
/// encoder, so that an annotation is as wide as a state of the decoder.
///
/// ```
/// use attn_pipelines::translation::{AttentionName, RecurrentPreset};
///
/// let preset = RecurrentPreset::new(AttentionName::LuongGeneral, 32, 128, 64);
/// let config = RecurrentPreset { dropout: 0.2, ..preset }.config();
/// config.validate()?;
/// # Ok::<(), attn_rnn::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentPreset {
    /// How the decoder attends to the source.
    pub attention: AttentionName,
    /// Whether the attentional vector of a step enters the cell at the next; for Luong's attentions.
    pub input_feeding: bool,
    /// Features of a token.
    pub embedding: usize,
    /// Features of a state of the decoder and of an annotation; even.
    pub width: usize,
    /// The longest source, in tokens.
    pub max_source: usize,
    /// Probability to drop a feature.
    pub dropout: f64,
}

impl RecurrentPreset {
    /// Without input feeding and dropout.
    pub fn new(
        attention: AttentionName,
        embedding: usize,
        width: usize,
        max_source: usize,
    ) -> Self {
        Self { attention, input_feeding: false, embedding, width, max_source, dropout: 0.0 }
    }

    /// The configuration; the vocabularies are set when they are known.
    pub fn config(self) -> Seq2SeqConfig {
        let Self { attention, input_feeding, embedding, width, max_source, dropout } = self;
        let reader =
            RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(embedding, width / 2) };
        let writer = RecurrentConfig::gru(embedding, width);
        let widths =
            Widths { hidden: width, inner: width / 2, max_keys: max_source, window: WINDOW };
        let flow = attention.flow(widths, input_feeding);
        Seq2SeqConfig::new(
            EncoderConfig { dropout, ..EncoderConfig::new(UNKNOWN_VOCAB, reader) },
            DecoderConfig { dropout, ..DecoderConfig::new(UNKNOWN_VOCAB, writer, flow) },
        )
    }
}

impl Architecture for Seq2SeqConfig {
    type Model = Seq2Seq;

    const NAME: &'static str = "recurrent encoder–decoder";
    const PROGRAM: &'static str = "seq2seq";
    const KEY: &'static str = "decoder";
    const STRUCTURES: &'static [&'static str] = &[
        "model",
        "model.encoder",
        "model.encoder.recurrent",
        "model.decoder",
        "model.decoder.recurrent",
    ];

    fn validate(&self) -> Result<(), ArchitectureError> {
        self.validate()?;
        let [source_vocab, target_vocab] = self.vocabularies();
        if self.decoder.copy.is_some() && source_vocab != target_vocab {
            return Err(ArchitectureError::Copy { source_vocab, target_vocab });
        }
        Ok(())
    }

    /// Who copies has the words of the source in the target's vocabulary.
    fn shares_vocabulary(&self) -> bool {
        self.decoder.copy.is_some()
    }

    fn max_source(&self) -> Option<usize> {
        match &self.decoder.flow.attention()?.score {
            ScoreConfig::Location(score) => Some(score.max_keys),
            _ => None,
        }
    }

    fn returns_weights(&self) -> bool {
        self.decoder.flow.attention().is_some()
    }

    fn vocabularies(&self) -> [usize; 2] {
        [self.encoder.vocab, self.decoder.vocab]
    }

    fn set_vocabularies(&mut self, [source, target]: [usize; 2]) {
        self.encoder.vocab = source;
        self.decoder.vocab = target;
    }

    fn least_weights(&self) -> u128 {
        let [reader, writer] = [&self.encoder.recurrent, &self.decoder.recurrent];
        let score = self.decoder.flow.attention().map_or(0, |config| config.least_weights());
        memory::of_recurrent(reader)
            .saturating_add(score)
            .saturating_add(memory::of_recurrent(writer))
            .saturating_add(memory::of_table(self.encoder.vocab, reader.d_input))
            .saturating_add(memory::of_table(self.decoder.vocab, writer.d_input))
    }

    fn init(&self, device: &Device) -> Seq2Seq {
        self.init(device)
    }
}

impl TranslationModel for Seq2Seq {
    fn start(&self, sources: &TokenBatch, device: &Device) -> Start<Seq2SeqState> {
        self.start(self.memory(sources.tensor(device), &sources.lengths), BOS)
    }

    fn alignments(&self, source: &TokenBatch, target: Tensor<2, Int>) -> Option<Alignments> {
        let decoded = self.decode(source.tensor(&target.device()), &source.lengths, target);
        let weights = decoded.weights?; // [1, t, s]
        Some(Alignments {
            names: vec!["decoder".to_owned()],
            weights: weights.into_data().iter().collect(),
        })
    }
}
