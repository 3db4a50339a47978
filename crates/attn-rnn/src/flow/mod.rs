//! How a decoder looks at the source: which state asks, and where the answer goes.

mod bahdanau;
mod check;
mod luong;

pub use bahdanau::{Bahdanau, BahdanauConfig};
pub use luong::{Luong, LuongConfig};

use crate::config::ConfigError;
use attn_core::Mask;
use attn_core::alignment::{Draw, Past};
use attn_core::mechanism::{Attention, AttentionOutput, KeyValueMemory};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How a decoder looks at the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum FlowConfig {
    /// [`Bahdanau`]
    Bahdanau(BahdanauConfig),
    /// [`Luong`]
    Luong(LuongConfig),
    /// Not at all: the decoder knows its first state alone (Sutskever et al. 2014).
    Plain,
}

/// Widths that meet in a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    /// Of an embedding of the target.
    pub embedding: usize,
    /// Of a state of the decoder.
    pub hidden: usize,
    /// Of an annotation.
    pub annotation: usize,
}

impl FlowConfig {
    pub(crate) fn validate(&self, widths: Widths) -> Result<(), ConfigError> {
        match self {
            Self::Bahdanau(config) => config.validate(widths),
            Self::Luong(config) => config.validate(widths),
            Self::Plain => Ok(()),
        }
    }

    pub(crate) fn init(&self, widths: Widths, device: &Device) -> Option<Flow> {
        match self {
            Self::Bahdanau(config) => Some(Flow::Bahdanau(config.init(widths, device))),
            Self::Luong(config) => Some(Flow::Luong(config.init(widths, device))),
            Self::Plain => None,
        }
    }

    /// What the cell reads beside the embedding.
    pub(crate) fn d_fed(&self, widths: Widths) -> usize {
        match self {
            Self::Bahdanau(_) => widths.annotation,
            Self::Luong(config) if config.input_feeding => widths.hidden,
            Self::Luong(_) | Self::Plain => 0,
        }
    }

    /// Width of what the output layer reads.
    pub(crate) fn d_features(&self, widths: Widths) -> usize {
        match self {
            Self::Bahdanau(config) => config.d_output,
            Self::Luong(_) | Self::Plain => widths.hidden,
        }
    }
}

/// Either flow.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
pub enum Flow {
    /// The previous state asks.
    Bahdanau(Bahdanau),
    /// The new state asks.
    Luong(Luong),
}

impl Flow {
    pub(crate) fn attention(&self) -> &Attention {
        match self {
            Self::Bahdanau(flow) => &flow.attention,
            Self::Luong(flow) => &flow.attention,
        }
    }
}

/// What was looked at.
pub(crate) struct Looked {
    /// `[b, t, d_annotation]`
    pub context: Tensor<3>,
    /// `[b, t, s]`
    pub weights: Tensor<3>,
    pub draw: Option<Draw>,
}

/// The contexts of queries `[b, t, d_hidden]`.
pub(crate) fn look(
    attention: &Attention,
    query: Tensor<3>,
    (memory, mask): (&KeyValueMemory, &Mask),
    past: &mut Past,
) -> Looked {
    let query = query.unsqueeze_dim::<4>(1); // [b, 1, t, d_hidden]
    let AttentionOutput { context, weights, draw } =
        attention.cross_attend(query, memory, mask, past);
    Looked { context: context.squeeze_dim(1), weights: weights.squeeze_dim(1), draw }
}
