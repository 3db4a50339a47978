//! The encoder–decoder Transformer.

use crate::config::{
    self, ConfigError, ConfigFileError, check_cross_attends, check_decodes, check_nonzero,
    check_version,
};
use crate::linear::{logits, projection};
use crate::{
    BlockConfig, CrossStack, DecoderCache, InputLayer, PositionConfig, Positions, Scope, Stack,
    init,
};
use attn_core::Mask;
use attn_core::explain::Summary;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor, assert_shape};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which tables of an encoder–decoder are one (Press & Wolf 2017; Vaswani et al. 2017, section
/// 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tying {
    /// Source, target and output each have their own.
    None,
    /// The output layer reads the target's.
    #[default]
    Target,
    /// Source, target and output share one, over one vocabulary: the paper's.
    All,
}

/// Configuration of an [`EncoderDecoder`].
///
/// ```
/// use attn_transformer::{BlockConfig, EncoderDecoderConfig};
///
/// let config = EncoderDecoderConfig {
///     encoder_layers: 4,
///     decoder_layers: 2,
///     ..EncoderDecoderConfig::new(90, 60, BlockConfig::new(256, 4))
/// };
/// config.validate().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderDecoderConfig {
    /// Version of the JSON form, see [`config::VERSION`].
    #[serde(default = "config::first_version")]
    pub version: u32,
    /// Number of source tokens.
    pub source_vocab: usize,
    /// Number of target tokens.
    pub target_vocab: usize,
    /// Number of encoder blocks.
    #[serde(default = "default_layers")]
    pub encoder_layers: usize,
    /// Number of decoder blocks.
    #[serde(default = "default_layers")]
    pub decoder_layers: usize,
    /// The blocks of encoder and decoder.
    pub block: BlockConfig,
    /// How source and target steps are given their positions.
    #[serde(default)]
    pub positions: PositionConfig,
    /// Which tables of embeddings are one.
    #[serde(default)]
    pub tying: Tying,
    /// Whether embeddings are multiplied by `sqrt(d_model)` at the input, as in the paper.
    #[serde(default = "default_scaled")]
    pub scaled_embeddings: bool,
}

fn default_layers() -> usize {
    6
}

fn default_scaled() -> bool {
    true
}

impl EncoderDecoderConfig {
    /// Six encoder and six decoder blocks, sinusoidal positions, output tied to the target's
    /// embeddings.
    pub fn new(source_vocab: usize, target_vocab: usize, block: BlockConfig) -> Self {
        Self {
            version: config::VERSION,
            source_vocab,
            target_vocab,
            encoder_layers: default_layers(),
            decoder_layers: default_layers(),
            block,
            positions: PositionConfig::default(),
            tying: Tying::default(),
            scaled_embeddings: default_scaled(),
        }
    }

    /// # Errors
    /// If the configuration describes no model; the error names the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { source_vocab, target_vocab, .. } = *self;
        check_version(self.version, config::VERSION)?;
        check_nonzero("source_vocab", source_vocab)?;
        check_nonzero("target_vocab", target_vocab)?;
        check_nonzero("encoder_layers", self.encoder_layers)?;
        check_nonzero("decoder_layers", self.decoder_layers)?;
        self.block.validate()?;
        check_decodes(&self.block.mechanism)?;
        check_cross_attends(&self.block.cross_mechanism)?;
        self.positions.validate(self.block.d_model, self.block.d_head())?;
        if self.tying == Tying::All && source_vocab != target_vocab {
            return Err(ConfigError::TiedVocabularies { source_vocab, target_vocab });
        }
        Ok(())
    }

    /// Reads a configuration from a JSON file and validates it.
    ///
    /// # Errors
    /// If the file cannot be read, is not of the JSON form, or describes no model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigFileError> {
        config::load(path.as_ref(), config::VERSION, Self::validate)
    }

    /// Writes the configuration to a JSON file, which is replaced whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ConfigFileError> {
        config::save(self, path.as_ref())
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> EncoderDecoder {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { source_vocab, target_vocab, tying, .. } = *self;
        let d_model = self.block.d_model;
        let table = |vocab| init::embedding(vocab, d_model, device);
        let input =
            || InputLayer::new(&self.block, &self.positions, self.scaled_embeddings, device);
        EncoderDecoder {
            source_embedding: table(source_vocab),
            target_embedding: (tying != Tying::All).then(|| table(target_vocab)),
            source_input: input(),
            target_input: input(),
            encoder: self.block.init_stack(self.encoder_layers, device),
            decoder: self.block.init_cross_stack(self.decoder_layers, device),
            head: (tying == Tying::None).then(|| init::head(d_model, target_vocab, device)),
        }
    }
}

/// The encoded source, and which of its steps are real: what a decoder attends to.
#[derive(Clone, Debug)]
pub struct EncodedSource {
    /// `[b, s, m]`
    pub encoded: Tensor<3>,
    /// `t` queries, `s` keys.
    pub mask: Mask,
}

/// The Transformer of Vaswani et al. (2017), figure 1.
#[derive(Module, Debug)]
pub struct EncoderDecoder {
    /// Vectors of the source tokens, `[source_vocab, m]`.
    pub source_embedding: Embedding,
    /// Vectors of the target tokens, `[target_vocab, m]`; `None` if they are the source's.
    pub target_embedding: Option<Embedding>,
    /// Positions and dropout of the source.
    pub source_input: InputLayer,
    /// Positions and dropout of the target.
    pub target_input: InputLayer,
    /// Reads the source.
    pub encoder: Stack,
    /// Reads the target so far, and the memory.
    pub decoder: CrossStack,
    /// Output layer, `[m, target_vocab]`; `None` if it is the target's embedding, transposed.
    pub head: Option<Linear>,
}

impl EncoderDecoder {
    /// Logits of each target token's successor, given the source and the target up to it.
    ///
    /// `source_mask` says which source tokens are real, such as `Mask::padding(lengths)`; the
    /// encoder and the decoder's cross-attention both obey it. The target needs none: no step sees
    /// what follows it, so padding at its end is seen by padding alone.
    ///
    /// # Shapes
    /// - `source`: `[b, s]`
    /// - `target`: `[b, t]`, what the decoder is given: the start token and all but the last token
    /// - result: `[b, t, target_vocab]`
    ///
    /// # Panics
    /// If the shapes or the mask do not fit, or a sequence is longer than
    /// [`max_len`](Self::max_len).
    pub fn forward(
        &self,
        source: Tensor<2, Int>,
        source_mask: &Mask,
        target: Tensor<2, Int>,
    ) -> Tensor<3> {
        self.logits(self.hidden(source, source_mask, target))
    }

    /// What the output layer reads: [`forward`](Self::forward) is its product with the
    /// [`projection`](Self::projection).
    ///
    /// # Shapes
    /// - `source`: `[b, s]`
    /// - `target`: `[b, t]`
    /// - result: `[b, t, m]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn hidden(
        &self,
        source: Tensor<2, Int>,
        source_mask: &Mask,
        target: Tensor<2, Int>,
    ) -> Tensor<3> {
        self.decode_hidden(target, &self.memory(source, source_mask), None)
    }

    /// What makes logits of [`hidden`](Self::hidden) features: the matrix `[m, target_vocab]`, and
    /// the row `[target_vocab]` that is added, if there is one. For a loss that does not want the
    /// logits themselves.
    pub fn projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        projection(self.head.as_ref(), self.target_vectors())
    }

    /// The source as the decoder sees it.
    ///
    /// # Shapes
    /// - `source`: `[b, s]`
    /// - result: `[b, s, m]`
    ///
    /// # Panics
    /// If the mask does not fit, or the source is longer than [`max_len`](Self::max_len).
    pub fn encode(&self, source: Tensor<2, Int>, source_mask: &Mask) -> Tensor<3> {
        let vectors = &self.source_embedding;
        let (x, rotation) = self.source_input.forward(source, vectors, &Positions::Contiguous, 0); // [b, s, m]
        let scope = Scope { mask: source_mask, rotation: rotation.as_ref() };
        self.encoder.forward(x, scope, None)
    }

    /// [`encode`](Self::encode), together with the mask: what [`decode`](Self::decode) reads.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn memory(&self, source: Tensor<2, Int>, source_mask: &Mask) -> EncodedSource {
        EncodedSource { encoded: self.encode(source, source_mask), mask: source_mask.clone() }
    }

    /// Logits of each target token's successor. With a cache, `target` are the tokens that follow
    /// those that the cache has seen.
    ///
    /// # Shapes
    /// - `target`: `[b, t]`
    /// - result: `[b, t, target_vocab]`
    ///
    /// # Panics
    /// If the batches of `target`, `memory` and `cache` differ, or the sequence is longer than
    /// [`max_len`](Self::max_len).
    pub fn decode(
        &self,
        target: Tensor<2, Int>,
        memory: &EncodedSource,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        self.logits(self.decode_hidden(target, memory, cache))
    }

    /// [`decode`](Self::decode), with the weights of each decoder block's cross-attention,
    /// `[b, h, t, s]`: which source tokens each target step looked at.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    pub fn decode_with_weights(
        &self,
        target: Tensor<2, Int>,
        memory: &EncodedSource,
        cache: Option<&mut DecoderCache>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let (x, rotation) = self.embed_target(target, memory, cache.as_deref());
        let scope = Scope { mask: &Mask::causal(), rotation: rotation.as_ref() };
        let (x, weights) = self.decoder.forward_with_weights(x, scope, memory, cache);
        (self.logits(x), weights)
    }

    /// [`decode`](Self::decode) of whole targets, with what their steps look at in the source, by each
    /// decoder block's cross-attention: the `k` source steps of most weight, entropies, and what each
    /// source step receives.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    pub fn decode_with_summaries(
        &self,
        target: Tensor<2, Int>,
        memory: &EncodedSource,
        k: usize,
    ) -> (Tensor<3>, Vec<Summary>) {
        let (x, rotation) = self.embed_target(target, memory, None);
        let scope = Scope { mask: &Mask::causal(), rotation: rotation.as_ref() };
        let (x, summaries) = self.decoder.forward_with_summaries(x, scope, memory, k);
        (self.logits(x), summaries)
    }

    /// [`encode`](Self::encode), with what the steps of the source look at in each encoder block.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn encode_with_summaries(
        &self,
        source: Tensor<2, Int>,
        source_mask: &Mask,
        k: usize,
    ) -> (Tensor<3>, Vec<Summary>) {
        let vectors = &self.source_embedding;
        let (x, rotation) = self.source_input.forward(source, vectors, &Positions::Contiguous, 0);
        let scope = Scope { mask: source_mask, rotation: rotation.as_ref() };
        self.encoder.forward_with_summaries(x, scope, k)
    }

    /// The number of steps that source and target may each have; `None` if there is no bound.
    pub fn max_len(&self) -> Option<usize> {
        self.target_input.max_len()
    }

    /// Number of target tokens.
    pub fn target_vocab(&self) -> usize {
        self.target_vectors().weight.shape()[0]
    }

    fn target_vectors(&self) -> &Embedding {
        self.target_embedding.as_ref().unwrap_or(&self.source_embedding)
    }

    /// What the output layer reads, `[b, t, m]`.
    fn decode_hidden(
        &self,
        target: Tensor<2, Int>,
        memory: &EncodedSource,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        let (x, rotation) = self.embed_target(target, memory, cache.as_deref());
        let scope = Scope { mask: &Mask::causal(), rotation: rotation.as_ref() };
        self.decoder.forward(x, scope, memory, cache)
    }

    fn embed_target(
        &self,
        target: Tensor<2, Int>,
        memory: &EncodedSource,
        cache: Option<&DecoderCache>,
    ) -> (Tensor<3>, Option<crate::Rotation>) {
        let [batch, _, _] = memory.encoded.dims();
        assert_shape!(target, [batch, _]);
        let seen = cache.map_or(0, DecoderCache::len);
        self.target_input.forward(target, self.target_vectors(), &Positions::Contiguous, seen)
    }

    /// `[b, t, m]` → `[b, t, target_vocab]`
    fn logits(&self, x: Tensor<3>) -> Tensor<3> {
        logits(self.head.as_ref(), self.target_vectors(), x)
    }
}
