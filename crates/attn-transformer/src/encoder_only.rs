//! A model that reads, as BERT does.

use crate::config::{
    self, ConfigError, ConfigFileError, check_no_cross, check_nonzero, check_version,
};
use crate::{BlockConfig, InputLayer, Layout, PositionConfig, Scope, Stack, init};
use attn_core::explain::Summary;
use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of an [`EncoderOnly`] model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderOnlyConfig {
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
    #[serde(default)]
    pub positions: PositionConfig,
    /// Whether embeddings are multiplied by `sqrt(d_model)` at the input.
    #[serde(default = "default_scaled")]
    pub scaled_embeddings: bool,
}

fn default_layers() -> usize {
    6
}

fn default_scaled() -> bool {
    true
}

impl EncoderOnlyConfig {
    /// Six blocks, sinusoidal positions, scaled embeddings.
    pub fn new(vocab: usize, block: BlockConfig) -> Self {
        Self {
            version: config::VERSION,
            vocab,
            layers: default_layers(),
            block,
            positions: PositionConfig::default(),
            scaled_embeddings: default_scaled(),
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
    pub fn init(&self, device: &Device) -> EncoderOnly {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        EncoderOnly {
            embedding: init::embedding(self.vocab, self.block.d_model, device),
            input: InputLayer::new(&self.block, &self.positions, self.scaled_embeddings, device),
            stack: self.block.init_stack(self.layers, device),
        }
    }
}

/// Tokens in, a vector for each of them out; what reads the vectors is the user's.
#[derive(Module, Debug)]
pub struct EncoderOnly {
    /// Vectors of the tokens, `[vocab, m]`.
    pub embedding: Embedding,
    /// Positions and dropout.
    pub input: InputLayer,
    /// The blocks.
    pub stack: Stack,
}

impl EncoderOnly {
    /// `layout` is usually made of a mask of the real tokens: `&Mask::padding(lengths).into()`.
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - result: `[b, s, m]`
    ///
    /// # Panics
    /// If the layout does not fit, or a sequence is longer than [`max_len`](Self::max_len).
    pub fn forward(&self, tokens: Tensor<2, Int>, layout: &Layout) -> Tensor<3> {
        let Layout { mask, positions } = layout;
        let (x, rotation) = self.input.forward(tokens, &self.embedding, positions, 0);
        self.stack.forward(x, Scope { mask, rotation: rotation.as_ref() }, None)
    }

    /// [`forward`](Self::forward), with the weights of each block's attention, `[b, h, s, s]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights(
        &self,
        tokens: Tensor<2, Int>,
        layout: &Layout,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let Layout { mask, positions } = layout;
        let (x, rotation) = self.input.forward(tokens, &self.embedding, positions, 0);
        self.stack.forward_with_weights(x, Scope { mask, rotation: rotation.as_ref() }, None)
    }

    /// [`forward`](Self::forward), with what the steps look at in each block: the `k` keys of most
    /// weight, entropies, and what each key receives, without anything of size steps × steps for scaled
    /// dot-product attention.
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
        self.stack.forward_with_summaries(x, scope, k)
    }

    /// The number of steps a sequence may have; `None` if there is no bound.
    pub fn max_len(&self) -> Option<usize> {
        self.input.max_len()
    }
}
