//! A flow chosen by name.

use super::{Bahdanau, BahdanauConfig, Flow, FlowOutput, Luong, LuongConfig, Plain, Widths};
use crate::config::ConfigError;
use crate::decoder::{DecoderMemory, DecoderState};
use crate::recurrent::Recurrent;
use attn_core::mechanism::Attention;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How a decoder attends to the source, as a file names it.
///
/// ```
/// use attn_core::mechanism::AttentionConfig;
/// use attn_rnn::{FlowConfig, LuongConfig};
///
/// let text = r#"{ "name": "luong", "attention": {}, "input_feeding": true }"#;
/// let config: FlowConfig = serde_json::from_str(text)?;
/// let luong = LuongConfig::new(AttentionConfig::new()).with_input_feeding(true);
/// assert_eq!(config, FlowConfig::Luong(luong));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlowConfig {
    /// [`Bahdanau`]
    Bahdanau(BahdanauConfig),
    /// [`Luong`]
    Luong(LuongConfig),
    /// [`Plain`]
    Plain,
}

impl FlowConfig {
    /// The attention over the source; `None` where the decoder has none.
    pub fn attention(&self) -> Option<&attn_core::mechanism::AttentionConfig> {
        match self {
            Self::Bahdanau(config) => Some(&config.attention),
            Self::Luong(config) => Some(&config.attention),
            Self::Plain => None,
        }
    }

    pub(crate) fn validate(&self, widths: Widths) -> Result<(), ConfigError> {
        match self {
            Self::Bahdanau(config) => config.validate(widths),
            Self::Luong(config) => config.validate(widths),
            Self::Plain => Ok(()),
        }
    }

    pub(crate) fn init(&self, widths: Widths, device: &Device) -> AnyFlow {
        match self {
            Self::Bahdanau(config) => AnyFlow::Bahdanau(config.init(widths, device)),
            Self::Luong(config) => AnyFlow::Luong(config.init(widths, device)),
            Self::Plain => AnyFlow::Plain(Plain),
        }
    }

    /// Width of what the first layer reads beside the embedding.
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

/// Any of the flows, made by [`FlowConfig`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
#[non_exhaustive]
pub enum AnyFlow {
    /// The previous state is the query.
    Bahdanau(Bahdanau),
    /// The new state is the query.
    Luong(Luong),
    /// There is no attention.
    Plain(Plain),
}

impl AnyFlow {
    fn inner(&self) -> &dyn Flow {
        match self {
            Self::Bahdanau(flow) => flow,
            Self::Luong(flow) => flow,
            Self::Plain(flow) => flow,
        }
    }
}

impl Flow for AnyFlow {
    fn attention(&self) -> Option<&Attention> {
        self.inner().attention()
    }

    fn forward(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput {
        self.inner().forward(embedded, layers, memory, state)
    }
}
