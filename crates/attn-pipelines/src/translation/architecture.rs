//! What differs between the models that can be trained on pairs of sentences.

use std::fmt::Debug;

use attn_generate::{Start, StepDecoder};
use attn_train::batch::TokenBatch;
use attn_train::tokenizer::BOS;
use attn_transformer::{EncoderDecoder, EncoderDecoderConfig, EncoderDecoderState, Tying};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memory;

/// The configuration of a model that turns one sentence into another.
pub trait Architecture: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// What it configures.
    type Model: TranslationModel;

    /// What such a model is called, for the user.
    const NAME: &'static str;

    /// The example that trains such models.
    const PROGRAM: &'static str;

    /// A key that every `model` of its `config.json` has, and that of no other architecture.
    const KEY: &'static str;

    /// Its settings that are structures, by their place in `config.json`: a file may give any part
    /// of them. Others are choices and are given whole.
    const STRUCTURES: &'static [&'static str];

    /// # Errors
    /// If it describes no model.
    fn validate(&self) -> Result<(), ArchitectureError>;

    /// The sizes of the vocabularies of source and target.
    fn vocabularies(&self) -> [usize; 2];

    /// Gives it vocabularies of other sizes.
    fn set_vocabularies(&mut self, sizes: [usize; 2]);

    /// Whether source and target have one vocabulary.
    fn shares_vocabulary(&self) -> bool {
        false
    }

    /// The longest sentence that it can read or write, if there is one.
    fn max_len(&self) -> Option<usize> {
        None
    }

    /// The longest sentence that it can read, where that is another limit than
    /// [`max_len`](Self::max_len).
    fn max_source(&self) -> Option<usize> {
        None
    }

    /// Whether a training sees its attention weights, for terms of the loss that need them.
    fn returns_weights(&self) -> bool {
        false
    }

    /// A lower bound of the number of its weights, however large its numbers are: called before
    /// [`validate`](Self::validate).
    fn least_weights(&self) -> u128;

    /// The model, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses it.
    fn init(&self, device: &Device) -> Self::Model;
}

/// A model that turns one sentence into another.
pub trait TranslationModel: Module + StepDecoder + 'static {
    /// Where decoding starts, for each of the sources.
    fn start(&self, sources: &TokenBatch, device: &Device) -> Start<Self::State>;

    /// How each token of `target`, `[1, t]`, attends to the source; `None` for a model without
    /// attention.
    fn alignments(&self, source: &TokenBatch, target: Tensor<2, Int>) -> Option<Alignments>;
}

/// How a translation attended to its source, by one attention or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignments {
    /// The names of the attentions: a head of a layer, for example.
    pub names: Vec<String>,
    /// `[attention, token of the translation, token of the source]`, row-major. The last row is that
    /// of the end, if the translation came to it.
    pub weights: Vec<f32>,
}

/// Why a configuration describes no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// No Transformer.
    #[error(transparent)]
    Transformer(#[from] attn_transformer::ConfigError),
    /// No recurrent encoder–decoder.
    #[error(transparent)]
    Recurrent(#[from] attn_rnn::ConfigError),
    /// Words are copied from a vocabulary into another.
    #[error(
        "decoder.copy needs one vocabulary, but there are {source_vocab} and {target_vocab} tokens"
    )]
    Copy {
        /// Tokens of the source.
        source_vocab: usize,
        /// Tokens of the target.
        target_vocab: usize,
    },
}

impl Architecture for EncoderDecoderConfig {
    type Model = EncoderDecoder;

    const NAME: &'static str = "Transformer";
    const PROGRAM: &'static str = "translate";
    const KEY: &'static str = "source_vocab";
    const STRUCTURES: &'static [&'static str] = &["model", "model.block"];

    fn validate(&self) -> Result<(), ArchitectureError> {
        Ok(self.validate()?)
    }

    fn vocabularies(&self) -> [usize; 2] {
        [self.source_vocab, self.target_vocab]
    }

    fn set_vocabularies(&mut self, [source, target]: [usize; 2]) {
        self.source_vocab = source;
        self.target_vocab = target;
    }

    fn shares_vocabulary(&self) -> bool {
        self.tying == Tying::All
    }

    fn max_len(&self) -> Option<usize> {
        let limits = [self.positions.max_len(), self.block.mechanism.max_keys()];
        limits.into_iter().flatten().min()
    }

    fn max_source(&self) -> Option<usize> {
        self.block.cross_mechanism.max_keys()
    }

    fn least_weights(&self) -> u128 {
        let layers = self.encoder_layers.saturating_add(self.decoder_layers);
        let positions = self.positions.max_len().unwrap_or(0);
        let entries = self.source_vocab.saturating_add(positions);
        let cross = self.block.cross_mechanism.least_weights();
        memory::of_blocks(layers, &self.block)
            .saturating_add(cross.saturating_mul(self.decoder_layers as u128))
            .saturating_add(memory::of_table(entries, self.block.d_model))
    }

    fn init(&self, device: &Device) -> EncoderDecoder {
        self.init(device)
    }
}

impl TranslationModel for EncoderDecoder {
    fn start(&self, sources: &TokenBatch, device: &Device) -> Start<EncoderDecoderState> {
        let memory = self.memory(sources.tensor(device), &sources.mask());
        Start::tokens(EncoderDecoderState::new(memory), vec![BOS; sources.rows()])
    }

    /// In every head of every layer of the decoder.
    fn alignments(&self, source: &TokenBatch, target: Tensor<2, Int>) -> Option<Alignments> {
        let memory = self.memory(source.tensor(&target.device()), &source.mask());
        let (_, layers) = self.decode_with_weights(target, &memory, None);
        let weights = Tensor::cat(layers, 0); // [layers, h, t, s]
        let [layers, heads, _, _] = weights.dims();
        let name = |layer, head| format!("layer {layer}, head {head}");
        let names = (1..=layers).flat_map(|layer| (1..=heads).map(move |head| name(layer, head)));
        Some(Alignments { names: names.collect(), weights: weights.into_data().iter().collect() })
    }
}
