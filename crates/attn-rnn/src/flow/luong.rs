//! The new state is the query, and the context is combined with it.

use super::check::check_attention;
use super::{Flow, FlowOutput, SourceAttention, Widths};
use crate::config::ConfigError;
use crate::decoder::{DecoderMemory, DecoderState};
use crate::linear;
use crate::recurrent::Recurrent;
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_kernels::recurrent::each_step;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Luong`] flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LuongConfig {
    /// Over the source.
    pub attention: AttentionConfig,
    /// Whether the first layer reads the attentional vector of the step before.
    #[serde(default)]
    pub input_feeding: bool,
}

impl LuongConfig {
    /// With this attention, without input feeding.
    pub fn new(attention: AttentionConfig) -> Self {
        Self { attention, input_feeding: false }
    }

    /// With or without input feeding.
    pub fn with_input_feeding(self, input_feeding: bool) -> Self {
        Self { input_feeding, ..self }
    }

    pub(super) fn validate(&self, widths: Widths) -> Result<(), ConfigError> {
        check_attention(&self.attention, widths)
    }

    pub(super) fn init(&self, widths: Widths, device: &Device) -> Luong {
        Luong {
            attention: self.attention.init(device),
            combine: linear::new([widths.annotation + widths.hidden, widths.hidden], false, device),
            input_feeding: self.input_feeding,
        }
    }
}

/// The flow of Luong et al. (2015), section 3, equation 5, and section 3.3:
///
/// ```text
/// h_t = cell(E y_{t-1}, h_{t-1}),  with input feeding  cell([E y_{t-1}; a_{t-1}], h_{t-1})
/// c_t = attend(h_t, annotations)
/// a_t = tanh(W [c_t; h_t])
/// ```
///
/// and logits are linear in the attentional vector `a_t`. Without input feeding no step depends on
/// the attention of another, so all queries of a target are computed at once.
#[derive(Module, Debug)]
pub struct Luong {
    /// Over the source.
    pub attention: Attention,
    /// `W`, `[d_annotation + d_hidden, d_hidden]`, without bias.
    pub combine: Linear,
    input_feeding: bool,
}

impl Luong {
    /// Whether the first layer reads the attentional vector of the step before.
    pub fn feeds_input(&self) -> bool {
        self.input_feeding
    }

    /// The attentional vectors `a_t`, `[b, t, d_hidden]`.
    fn attentional(&self, context: Tensor<3>, hidden: Tensor<3>) -> Tensor<3> {
        linear::apply(&self.combine, Tensor::cat(vec![context, hidden], 2)).tanh()
    }

    /// All steps at once, without input feeding.
    fn at_once(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput {
        let hidden = state.advance(layers, embedded); // [b, t, d_hidden]
        let attention = state.attend(&self.attention, hidden.clone(), memory);
        let features = self.attentional(attention.context.clone(), hidden.clone());
        FlowOutput { features, hidden, attention: Some(attention) }
    }

    /// One step after another, each of which reads the attentional vector of the one before.
    fn step_by_step(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput {
        let (mut features, mut hidden, mut attended) = (Vec::new(), Vec::new(), Vec::new());
        for input in each_step(embedded.swap_dims(0, 1)) {
            let input = Tensor::cat(vec![input.squeeze_dim(0), state.take_fed()], 1);
            let top = state.step(layers, input); // [b, 1, d_hidden]
            let step = state.attend(&self.attention, top.clone(), memory);
            let attentional = self.attentional(step.context.clone(), top.clone());
            state.feed(attentional.clone().squeeze_dim(1));
            features.push(attentional);
            hidden.push(top);
            attended.push(step);
        }
        FlowOutput {
            features: Tensor::cat(features, 1),
            hidden: Tensor::cat(hidden, 1),
            attention: Some(SourceAttention::concatenate(attended)),
        }
    }
}

impl Flow for Luong {
    fn attention(&self) -> Option<&Attention> {
        Some(&self.attention)
    }

    fn forward(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput {
        if self.input_feeding {
            self.step_by_step(embedded, layers, memory, state)
        } else {
            self.at_once(embedded, layers, memory, state)
        }
    }
}
