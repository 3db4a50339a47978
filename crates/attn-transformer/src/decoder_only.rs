//! A model that writes, as GPT does.

use crate::config::{
    self, ConfigError, ConfigFileError, check_decodes, check_no_cross, check_nonzero, check_version,
};
use crate::linear::{logits, projection};
use crate::{BlockConfig, DecoderCache, InputLayer, Layout, PositionConfig, Scope, Stack, init};
use attn_core::explain::Summary;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of a [`DecoderOnly`] model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderOnlyConfig {
    /// Version of the JSON form, see [`config::VERSION`].
    #[serde(default = "config::first_version")]
    pub version: u32,
    /// Number of tokens.
    pub vocab: usize,
    /// Number of blocks.
    #[serde(default = "default_layers")]
    pub layers: usize,
    /// The blocks.
    pub block: BlockConfig,
    /// How steps are given their positions.
    #[serde(default = "default_positions")]
    pub positions: PositionConfig,
    /// Whether the output layer reads the table of embeddings.
    #[serde(default = "default_tied")]
    pub tied: bool,
    /// Whether embeddings are multiplied by `sqrt(d_model)` at the input.
    #[serde(default)]
    pub scaled_embeddings: bool,
}

fn default_layers() -> usize {
    6
}

fn default_positions() -> PositionConfig {
    PositionConfig::Rotary(Default::default())
}

fn default_tied() -> bool {
    true
}

impl DecoderOnlyConfig {
    /// Six blocks, rotary positions, output tied to the embeddings.
    pub fn new(vocab: usize, block: BlockConfig) -> Self {
        Self {
            version: config::VERSION,
            vocab,
            layers: default_layers(),
            block,
            positions: default_positions(),
            tied: default_tied(),
            scaled_embeddings: false,
        }
    }

    /// # Errors
    /// If the configuration describes no model; the error names the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_version(self.version, config::VERSION)?;
        check_nonzero("vocab", self.vocab)?;
        check_nonzero("layers", self.layers)?;
        self.block.validate()?;
        check_no_cross(&self.block)?;
        check_decodes(&self.block.mechanism)?;
        self.positions.validate(self.block.d_model, self.block.d_head())
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
    pub fn init(&self, device: &Device) -> DecoderOnly {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let d_model = self.block.d_model;
        DecoderOnly {
            embedding: init::embedding(self.vocab, d_model, device),
            input: InputLayer::new(&self.block, &self.positions, self.scaled_embeddings, device),
            stack: self.block.init_stack(self.layers, device),
            head: (!self.tied).then(|| init::head(d_model, self.vocab, device)),
        }
    }
}

/// A language model: tokens in, logits of each one's successor out.
#[derive(Module, Debug)]
pub struct DecoderOnly {
    /// Vectors of the tokens, `[vocab, m]`.
    pub embedding: Embedding,
    /// Positions and dropout.
    pub input: InputLayer,
    /// The blocks.
    pub stack: Stack,
    /// Output layer, `[m, vocab]`; `None` if it is the embedding, transposed.
    pub head: Option<Linear>,
}

impl DecoderOnly {
    /// Logits of each token's successor. With a cache, `tokens` are those that follow the ones that
    /// the cache has seen; `layout` is that of the whole sequence.
    ///
    /// A model that writes from left to right wants a layout that sees nothing ahead, such as
    /// [`Layout::causal`].
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - result: `[b, s, vocab]`
    ///
    /// # Panics
    /// If the layout or the cache does not fit, or a sequence is longer than
    /// [`max_len`](Self::max_len).
    pub fn forward(
        &self,
        tokens: Tensor<2, Int>,
        layout: &Layout,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        self.logits(self.hidden(tokens, layout, cache))
    }

    /// [`forward`](Self::forward), with the weights of each block's attention, `[b, h, q, k]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights(
        &self,
        tokens: Tensor<2, Int>,
        layout: &Layout,
        cache: Option<&mut DecoderCache>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let Layout { mask, positions } = layout;
        let seen = cache.as_deref().map_or(0, DecoderCache::len);
        let (x, rotation) = self.input.forward(tokens, &self.embedding, positions, seen);
        let scope = Scope { mask, rotation: rotation.as_ref() };
        let (x, weights) = self.stack.forward_with_weights(x, scope, cache);
        (self.logits(x), weights)
    }

    /// [`forward`](Self::forward) of whole sequences, with what the steps look at in each block: the `k`
    /// keys of most weight, entropies, and what each key receives, without anything of size
    /// steps × steps for scaled dot-product attention.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_summaries(
        &self,
        tokens: Tensor<2, Int>,
        layout: &Layout,
        k: usize,
    ) -> (Tensor<3>, Vec<Summary>) {
        let Layout { mask, positions } = layout;
        let (x, rotation) = self.input.forward(tokens, &self.embedding, positions, 0);
        let scope = Scope { mask, rotation: rotation.as_ref() };
        let (x, summaries) = self.stack.forward_with_summaries(x, scope, k);
        (self.logits(x), summaries)
    }

    /// The number of steps a sequence may have; `None` if there is no bound.
    pub fn max_len(&self) -> Option<usize> {
        self.input.max_len()
    }

    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.embedding.weight.shape()[0]
    }

    /// What the output layer reads: [`forward`](Self::forward) is its product with the
    /// [`projection`](Self::projection).
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - result: `[b, s, m]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn hidden(
        &self,
        tokens: Tensor<2, Int>,
        layout: &Layout,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        let Layout { mask, positions } = layout;
        let seen = cache.as_deref().map_or(0, DecoderCache::len);
        let (x, rotation) = self.input.forward(tokens, &self.embedding, positions, seen);
        self.stack.forward(x, Scope { mask, rotation: rotation.as_ref() }, cache)
    }

    /// What makes logits of [`hidden`](Self::hidden) features: the matrix `[m, vocab]`, and the row
    /// `[vocab]` that is added, if there is one. For a loss that does not want the logits themselves.
    pub fn projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        projection(self.head.as_ref(), &self.embedding)
    }

    /// `[b, s, m]` → `[b, s, vocab]`
    fn logits(&self, x: Tensor<3>) -> Tensor<3> {
        logits(self.head.as_ref(), &self.embedding, x)
    }
}
