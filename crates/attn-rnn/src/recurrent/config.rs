//! Configuration of recurrent layers.

use super::{CellKind, Layer, Recurrent};
use crate::config::{ConfigError, check_nonzero, check_probability};
use attn_core::DropoutConfig;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Configuration of [`Recurrent`] layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Which cell.
    #[serde(default)]
    pub cell: CellKind,
    /// Width of an input.
    pub d_input: usize,
    /// Width of a state, in each direction.
    pub d_hidden: usize,
    /// Number of layers.
    #[serde(default = "default_layers")]
    pub layers: usize,
    /// Whether each layer reads its input backwards too.
    #[serde(default)]
    pub bidirectional: bool,
    /// Probability to drop an input of a layer behind the first.
    #[serde(default)]
    pub dropout: f64,
    /// Probability to drop a feature of the state on its way from a step to the next, the same ones
    /// at all steps of a sequence (Gal & Ghahramani 2016).
    #[serde(default)]
    pub recurrent_dropout: f64,
    /// Whether gates and memory cells are normalized (Ba, Kiros & Hinton 2016).
    #[serde(default)]
    pub layer_norm: bool,
}

fn default_layers() -> usize {
    1
}

impl RecurrentConfig {
    /// One layer of such cells, forwards.
    pub fn new(cell: CellKind, d_input: usize, d_hidden: usize) -> Self {
        Self {
            cell,
            d_input,
            d_hidden,
            layers: default_layers(),
            bidirectional: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            layer_norm: false,
        }
    }

    /// One layer of LSTM cells, forwards.
    pub fn lstm(d_input: usize, d_hidden: usize) -> Self {
        Self::new(CellKind::Lstm, d_input, d_hidden)
    }

    /// One layer of GRU cells, forwards.
    pub fn gru(d_input: usize, d_hidden: usize) -> Self {
        Self::new(CellKind::Gru, d_input, d_hidden)
    }

    /// One layer of LSTMN cells, forwards.
    pub fn lstmn(d_input: usize, d_hidden: usize) -> Self {
        Self::new(CellKind::Lstmn, d_input, d_hidden)
    }

    /// So many layers.
    pub fn with_layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }

    /// In both directions, or forwards only.
    pub fn with_bidirectional(self, bidirectional: bool) -> Self {
        Self { bidirectional, ..self }
    }

    /// Dropout between layers.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// Dropout of states from step to step.
    pub fn with_recurrent_dropout(self, recurrent_dropout: f64) -> Self {
        Self { recurrent_dropout, ..self }
    }

    /// With or without normalized gates and memory cells.
    pub fn with_layer_norm(self, layer_norm: bool) -> Self {
        Self { layer_norm, ..self }
    }

    /// Width of an output: both directions side by side, where there are two.
    pub fn d_output(&self) -> usize {
        self.directions() * self.d_hidden
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// # Errors
    /// If a size is zero or a probability is not in `[0, 1)`; the error names the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("d_input", self.d_input)?;
        check_nonzero("d_hidden", self.d_hidden)?;
        check_nonzero("layers", self.layers)?;
        check_probability("dropout", self.dropout)?;
        Ok(check_probability("recurrent_dropout", self.recurrent_dropout)?)
    }

    /// The layers, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Recurrent {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let layer = |layer| {
            let d_input = if layer == 0 { self.d_input } else { self.d_output() };
            let cell = || self.cell.init([d_input, self.d_hidden], self.layer_norm, device);
            Layer { forward: cell(), reverse: self.bidirectional.then(cell) }
        };
        Recurrent {
            layers: (0..self.layers).map(layer).collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            recurrent_dropout: DropoutConfig::new(self.recurrent_dropout).init(),
        }
    }
}
