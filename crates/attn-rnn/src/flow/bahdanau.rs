//! The previous state is the query, and the cell reads the context.

use super::check::check_attention;
use super::{Flow, FlowOutput, SourceAttention, Widths};
use crate::config::{ConfigError, check_nonzero};
use crate::decoder::{DecoderMemory, DecoderState};
use crate::linear;
use crate::recurrent::Recurrent;
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_kernels::recurrent::each_step;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Bahdanau`] flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BahdanauConfig {
    /// Over the source.
    pub attention: AttentionConfig,
    /// Width of the deep output, `l`.
    pub d_output: usize,
}

impl BahdanauConfig {
    /// With this attention and a deep output of that width.
    pub fn new(attention: AttentionConfig, d_output: usize) -> Self {
        Self { attention, d_output }
    }

    pub(super) fn validate(&self, widths: Widths) -> Result<(), ConfigError> {
        check_nonzero("d_output", self.d_output)?;
        check_attention(&self.attention, widths)
    }

    pub(super) fn init(&self, widths: Widths, device: &Device) -> Bahdanau {
        let into = |from: usize, bias| linear::new([from, 2 * self.d_output], bias, device);
        Bahdanau {
            attention: self.attention.init(device),
            state: into(widths.hidden, true),
            embedding: into(widths.embedding, false),
            context: into(widths.annotation, false),
        }
    }
}

/// The flow of Bahdanau et al. (2015), section 3.1 and appendix A.2.2:
///
/// ```text
/// c_i = attend(s_{i-1}, h)
/// s_i = cell([E y_{i-1}; c_i], s_{i-1})
/// u_i = U s_i + V E y_{i-1} + C c_i + b
/// t_i = max(u_{i,2j-1}, u_{i,2j})  for j = 1 … l
/// ```
///
/// and logits are linear in `t_i`, the deep output with maxout (Goodfellow et al. 2013). Its state is
/// `s_i`, as in the paper's equation 4 and its `p(y_i | s_i, y_{i-1}, c_i)`; the formula of the
/// appendix prints `s_{i-1}`.
#[derive(Module, Debug)]
pub struct Bahdanau {
    /// Over the source.
    pub attention: Attention,
    /// `U` and `b`, `[d_hidden, 2 · d_output]`
    pub state: Linear,
    /// `V`, `[d_embedding, 2 · d_output]`
    pub embedding: Linear,
    /// `C`, `[d_annotation, 2 · d_output]`
    pub context: Linear,
}

impl Bahdanau {
    /// The deep output `t_i`, `[b, t, d_output]`.
    fn deep_output(&self, state: Tensor<3>, embedded: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let u = linear::apply(&self.state, state)
            + linear::apply(&self.embedding, embedded)
            + linear::apply(&self.context, context); // [b, t, 2 · l]
        let [b, t, both] = u.dims();
        let pairs = u.reshape([b, t, both / 2, 2]);
        let [first, second] =
            [0, 1].map(|side| pairs.clone().slice_dim(3, side..side + 1).squeeze_dim::<3>(3));
        first.max_pair(second)
    }
}

impl Flow for Bahdanau {
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
        let (mut hidden, mut attended) = (Vec::new(), Vec::new());
        for input in each_step(embedded.clone().swap_dims(0, 1)) {
            let step = state.attend(&self.attention, state.top(), memory);
            let context = step.context.clone().squeeze_dim(1); // [b, d_annotation]
            let input = Tensor::cat(vec![input.squeeze_dim(0), context], 1);
            hidden.push(state.step(layers, input));
            attended.push(step);
        }
        let (hidden, attention) = (Tensor::cat(hidden, 1), SourceAttention::concatenate(attended));
        let features = self.deep_output(hidden.clone(), embedded, attention.context.clone());
        FlowOutput { features, hidden, attention: Some(attention) }
    }
}
