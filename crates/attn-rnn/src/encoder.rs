//! From tokens to annotations.

use crate::config::{ConfigError, check_nonzero, check_probability};
use crate::linear;
use crate::recurrent::{Recurrent, RecurrentConfig, RecurrentOutput, State};
use attn_core::{Dropout, DropoutConfig};
use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`Encoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Number of tokens.
    pub vocab: usize,
    /// The layers; their `d_input` is the width of an embedding.
    pub recurrent: RecurrentConfig,
    /// Probability to drop a feature of an embedding.
    #[serde(default)]
    pub dropout: f64,
}

impl EncoderConfig {
    /// An encoder of so many tokens by such layers, without dropout.
    pub fn new(vocab: usize, recurrent: RecurrentConfig) -> Self {
        Self { vocab, recurrent, dropout: 0.0 }
    }

    /// Dropout on embeddings.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// # Errors
    /// If the configuration describes no encoder; the error names the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("vocab", self.vocab)?;
        self.recurrent.validate()?;
        Ok(check_probability("dropout", self.dropout)?)
    }

    /// The encoder, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Encoder {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Encoder {
            embedding: linear::embedding(self.vocab, self.recurrent.d_input, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            recurrent: self.recurrent.init(device),
        }
    }
}

/// Embeddings and recurrent layers over them.
///
/// With two directions, the annotation of a step is both states side by side, `[→h; ←h]` (Bahdanau et
/// al. 2015, section 3.2).
#[derive(Module, Debug)]
pub struct Encoder {
    /// Vectors of the tokens, `[vocab, d_input]`.
    pub embedding: Embedding,
    /// Acts on the vectors.
    pub dropout: Dropout,
    /// The layers.
    pub recurrent: Recurrent,
}

/// What [`Encoder::forward`] returns.
#[derive(Clone, Debug)]
pub struct Annotations {
    /// Of each step, `[b, s, d_output]`; 0 behind a sequence's end.
    pub values: Tensor<3>,
    /// The number of real steps of each row.
    pub lengths: Vec<usize>,
    /// The last state of each layer and direction, as
    /// [`RecurrentOutput::states`](crate::RecurrentOutput::states).
    pub states: Vec<State>,
}

impl Encoder {
    /// The annotations of sequences. Tokens behind a sequence's end do not matter, but must be of the
    /// vocabulary.
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - `lengths`: the number of real steps of each row
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn forward(&self, tokens: Tensor<2, Int>, lengths: &[usize]) -> Annotations {
        self.forward_vectors(self.embedding.forward(tokens), lengths)
    }

    /// The annotations of sequences of vectors in place of tokens, for inputs with more features than an
    /// embedding has.
    ///
    /// # Shapes
    /// - `x`: `[b, s, d_input]`; what is behind a sequence's end does not matter
    /// - `lengths`: the number of real steps of each row
    ///
    /// # Panics
    /// If the shapes or lengths do not fit.
    pub fn forward_vectors(&self, x: Tensor<3>, lengths: &[usize]) -> Annotations {
        let x = self.dropout.forward(x); // [b, s, d_input]
        let RecurrentOutput { outputs, states } = self.recurrent.forward(x, lengths, None);
        Annotations { values: outputs, lengths: lengths.to_vec(), states }
    }
}
