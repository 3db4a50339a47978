//! A decoder without attention.

use super::{Flow, FlowOutput};
use crate::decoder::{DecoderMemory, DecoderState};
use crate::recurrent::Recurrent;
use attn_core::mechanism::Attention;
use burn::module::Module;
use burn::tensor::Tensor;

/// No attention: all that the decoder has of the source is its first state (Sutskever et al. 2014).
#[derive(Module, Debug)]
pub struct Plain;

impl Flow for Plain {
    fn attention(&self) -> Option<&Attention> {
        None
    }

    fn forward(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        _memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput {
        let hidden = state.advance(layers, embedded);
        FlowOutput { features: hidden.clone(), hidden, attention: None }
    }
}
