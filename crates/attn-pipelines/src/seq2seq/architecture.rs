//! A recurrent encoder–decoder as a model for pairs of sentences.

use attn_core::score::ScoreConfig;
use attn_generate::Start;
use attn_rnn::{FlowConfig, Seq2Seq, Seq2SeqConfig, Seq2SeqState};
use attn_train::batch::TokenBatch;
use attn_train::tokenizer::BOS;
use burn::tensor::{Device, Int, Tensor};

use crate::translate::{Alignments, Architecture, ArchitectureError, TranslationModel};

impl Architecture for Seq2SeqConfig {
    type Model = Seq2Seq;

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
        let attention = match &self.decoder.flow {
            FlowConfig::Bahdanau(flow) => &flow.attention,
            FlowConfig::Luong(flow) => &flow.attention,
            FlowConfig::Plain => return None,
        };
        match &attention.score {
            ScoreConfig::Location(score) => Some(score.max_keys),
            _ => None,
        }
    }

    fn vocabularies(&self) -> [usize; 2] {
        [self.encoder.vocab, self.decoder.vocab]
    }

    fn set_vocabularies(&mut self, [source, target]: [usize; 2]) {
        self.encoder.vocab = source;
        self.decoder.vocab = target;
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
