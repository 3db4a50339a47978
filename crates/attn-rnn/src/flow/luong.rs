//! The new state asks, the answer joins it.

use super::Widths;
use super::check::check_attention;
use crate::config::ConfigError;
use crate::linear;
use attn_core::mechanism::{Attention, AttentionConfig};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Luong`] flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LuongConfig {
    /// How the source is looked at.
    pub attention: AttentionConfig,
    /// Whether the attentional vector of a step enters the cell at the next.
    #[serde(default)]
    pub input_feeding: bool,
}

impl LuongConfig {
    /// With this attention, without input feeding.
    pub fn new(attention: AttentionConfig) -> Self {
        Self { attention, input_feeding: false }
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
/// and logits are linear in the attentional vector `a_t`. Without input feeding no step waits for
/// another's attention, so a whole target is looked up at once.
#[derive(Module, Debug)]
pub struct Luong {
    /// How the source is looked at.
    pub attention: Attention,
    /// `W`, `[d_annotation + d_hidden, d_hidden]`, without bias.
    pub combine: Linear,
    input_feeding: bool,
}

impl Luong {
    /// Whether the attentional vector of a step enters the cell at the next.
    pub fn feeds_input(&self) -> bool {
        self.input_feeding
    }

    /// The attentional vectors, `[b, t, d_hidden]`.
    pub(crate) fn features(&self, context: Tensor<3>, state: Tensor<3>) -> Tensor<3> {
        linear::apply(&self.combine, Tensor::cat(vec![context, state], 2)).tanh()
    }
}
