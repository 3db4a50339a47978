//! From a sequence to a label.

use crate::config::{
    self, ConfigError, ConfigFileError, check_nonzero, check_probability, check_version,
};
use crate::encoder::{Encoder, EncoderConfig};
use crate::linear;
use crate::recurrent::State;
use attn_core::pooling::{
    AttentionPooling, AttentionPoolingConfig, PooledHops, SelfAttentive, SelfAttentiveConfig,
};
use attn_core::{Dropout, DropoutConfig, Mask};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the annotations of a sequence become one vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum PoolingConfig {
    /// The last state of the last layer, both directions side by side.
    Last,
    /// The mean of all annotations.
    Mean,
    /// [`AttentionPooling`], as in the tutorials.
    Attention,
    /// [`SelfAttentive`], its vectors side by side.
    SelfAttentive {
        /// Width of its hidden layer.
        d_hidden: usize,
        /// Number of its vectors.
        hops: usize,
    },
}

impl PoolingConfig {
    fn self_attentive(&self, d_input: usize) -> Option<SelfAttentiveConfig> {
        match *self {
            Self::SelfAttentive { d_hidden, hops } => {
                Some(SelfAttentiveConfig::new(d_input, d_hidden, hops))
            }
            _ => None,
        }
    }

    fn vectors(&self) -> usize {
        if let Self::SelfAttentive { hops, .. } = *self { hops } else { 1 }
    }
}

/// Configuration of a [`Classifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Version of the JSON form, see [`config::VERSION`].
    #[serde(default = "config::first_version")]
    pub version: u32,
    /// Reads the sequence.
    pub encoder: EncoderConfig,
    /// How it becomes one vector.
    pub pooling: PoolingConfig,
    /// Number of labels.
    pub labels: usize,
    /// Probability to drop a feature of what the output layer reads.
    #[serde(default)]
    pub dropout: f64,
}

impl ClassifierConfig {
    /// Such an encoder and pooling for so many labels, without dropout.
    pub fn new(encoder: EncoderConfig, pooling: PoolingConfig, labels: usize) -> Self {
        Self { version: config::VERSION, encoder, pooling, labels, dropout: 0.0 }
    }

    /// Dropout on what the output layer reads.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// # Errors
    /// If the configuration describes no model; the error names the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_version(self.version, config::VERSION)?;
        self.encoder.validate()?;
        check_nonzero("labels", self.labels)?;
        check_probability("dropout", self.dropout)?;
        let d_output = self.encoder.recurrent.d_output();
        Ok(self.pooling.self_attentive(d_output).map_or(Ok(()), |config| config.validate())?)
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

    /// The model, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Classifier {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let d_output = self.encoder.recurrent.d_output();
        let attends = self.pooling == PoolingConfig::Attention;
        Classifier {
            encoder: self.encoder.init(device),
            attention: attends.then(|| AttentionPoolingConfig::new(d_output).init(device)),
            self_attentive: self.pooling.self_attentive(d_output).map(|config| config.init(device)),
            dropout: DropoutConfig::new(self.dropout).init(),
            head: linear::new([self.pooling.vectors() * d_output, self.labels], true, device),
            pooling: self.pooling.clone(),
        }
    }
}

/// Embeddings, recurrent layers, pooling, logits of labels.
#[derive(Module, Debug)]
pub struct Classifier {
    /// Reads the sequence.
    pub encoder: Encoder,
    /// Of [`PoolingConfig::Attention`].
    pub attention: Option<AttentionPooling>,
    /// Of [`PoolingConfig::SelfAttentive`].
    pub self_attentive: Option<SelfAttentive>,
    /// Acts on the pooled vector.
    pub dropout: Dropout,
    /// Output layer, into the labels.
    pub head: Linear,
    #[module(skip)]
    pooling: PoolingConfig,
}

/// What [`Classifier::forward`] returns.
#[derive(Clone, Debug)]
pub struct Classified {
    /// `[b, labels]`
    pub logits: Tensor<2>,
    /// Weights of the steps in the pooled vectors, `[b, hops, s]`; each row sums to 1. `None` where the
    /// pooling is the last state or the mean.
    pub weights: Option<Tensor<3>>,
    /// The penalty of hops that overlap, `[b]`, [`PooledHops::penalty`]; `None` without hops.
    pub penalty: Option<Tensor<1>>,
}

impl Classifier {
    /// Logits of the labels of sequences, and the weights of their steps.
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - `lengths`: the number of real steps of each row
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn forward(&self, tokens: Tensor<2, Int>, lengths: &[usize]) -> Classified {
        self.forward_vectors(self.encoder.embedding.forward(tokens), lengths)
    }

    /// Logits of the labels of sequences of vectors in place of tokens, for inputs with more features than
    /// an embedding has.
    ///
    /// # Shapes
    /// - `x`: `[b, s, d_input]`; what is behind a sequence's end does not matter
    /// - `lengths`: the number of real steps of each row
    ///
    /// # Panics
    /// If the shapes or lengths do not fit.
    pub fn forward_vectors(&self, x: Tensor<3>, lengths: &[usize]) -> Classified {
        let read = self.encoder.forward_vectors(x, lengths);
        let mask = Mask::padding(lengths);
        let (vector, weights, penalty) = if let Some(pooling) = &self.attention {
            let pooled = pooling.forward(read.values, &mask);
            (pooled.vector, Some(pooled.weights.unsqueeze_dim(1)), None)
        } else if let Some(pooling) = &self.self_attentive {
            let pooled = pooling.forward(read.values, &mask);
            let penalty = pooled.penalty();
            let PooledHops { vectors, weights } = pooled;
            let [b, hops, d] = vectors.dims();
            (vectors.reshape([b, hops * d]), Some(weights), Some(penalty))
        } else if self.pooling == PoolingConfig::Mean {
            (mean(read.values, lengths), None, None)
        } else {
            let directions = if self.encoder.recurrent.is_bidirectional() { 2 } else { 1 };
            let last = read.states[read.states.len() - directions..].to_vec();
            (State::concatenate_features(last).hidden, None, None)
        };
        let logits = linear::apply(&self.head, self.dropout.forward(vector));
        Classified { logits, weights, penalty }
    }
}

/// The mean of the real steps of `[b, s, d]`, which are 0 behind their end; 0 of none.
fn mean(x: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
    let shares: Vec<f32> = lengths.iter().map(|&length| 1.0 / length.max(1) as f32).collect();
    let data = TensorData::new(shares, [lengths.len(), 1]);
    let shares = Tensor::<2>::from_data(data, (&x.device(), x.dtype()));
    x.sum_dim(1).squeeze_dim::<2>(1) * shares
}
