//! Configuration of a decoder.

use super::Decoder;
use crate::config::{ConfigError, check_nonzero, check_probability};
use crate::copying::CopyConfig;
use crate::flow::{FlowConfig, Widths};
use crate::linear;
use crate::recurrent::{CellKind, RecurrentConfig};
use attn_core::DropoutConfig;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Configuration of a [`Decoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Number of tokens.
    pub vocab: usize,
    /// The layers; their `d_input` is the width of an embedding, beside which the first layer reads
    /// what the flow feeds it.
    pub recurrent: RecurrentConfig,
    /// How the decoder attends to the source.
    pub flow: FlowConfig,
    /// Probability to drop a feature of an embedding, and of what the output layer reads.
    #[serde(default)]
    pub dropout: f64,
    /// How words of the source are copied; `None`: they are not.
    #[serde(default)]
    pub copy: Option<CopyConfig>,
}

impl DecoderConfig {
    /// A decoder of so many tokens with these layers, without dropout, which copies nothing.
    pub fn new(vocab: usize, recurrent: RecurrentConfig, flow: FlowConfig) -> Self {
        Self { vocab, recurrent, flow, dropout: 0.0, copy: None }
    }

    /// Dropout on embeddings and on what the output layer reads.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// Copies words of the source.
    pub fn with_copy(self, copy: CopyConfig) -> Self {
        Self { copy: Some(copy), ..self }
    }

    fn widths(&self, annotation: usize) -> Widths {
        let RecurrentConfig { d_input, d_hidden, .. } = self.recurrent;
        Widths { embedding: d_input, hidden: d_hidden, annotation }
    }

    pub(crate) fn validate(&self, d_annotation: usize) -> Result<(), ConfigError> {
        check_nonzero("vocab", self.vocab)?;
        self.recurrent.validate()?;
        check_probability("dropout", self.dropout)?;
        if self.recurrent.bidirectional {
            return Err(ConfigError::BothDirections);
        }
        if self.recurrent.cell == CellKind::Lstmn {
            return Err(ConfigError::DecoderCell);
        }
        if let Some(copy) = &self.copy {
            copy.validate(self.vocab)?;
            if self.flow == FlowConfig::Plain {
                return Err(ConfigError::NothingToCopy);
            }
        }
        self.flow.validate(self.widths(d_annotation))
    }

    pub(crate) fn init(&self, d_annotation: usize, device: &Device) -> Decoder {
        let widths = self.widths(d_annotation);
        let d_input = widths.embedding + self.flow.d_fed(widths);
        let layers = RecurrentConfig { d_input, ..self.recurrent.clone() };
        Decoder {
            embedding: linear::embedding(self.vocab, widths.embedding, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            recurrent: layers.init(device),
            flow: self.flow.init(widths, device),
            head: linear::new([self.flow.d_features(widths), self.vocab], true, device),
            copy: self.copy.as_ref().map(|copy| copy.init(widths, device)),
        }
    }
}
