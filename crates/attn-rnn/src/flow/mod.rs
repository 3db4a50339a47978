//! How a decoder attends to the source: which state is the query, and what the context is used for.

mod any;
mod bahdanau;
mod check;
mod luong;
mod output;
mod plain;

pub use any::{AnyFlow, FlowConfig};
pub use bahdanau::{Bahdanau, BahdanauConfig};
pub use luong::{Luong, LuongConfig};
pub(crate) use output::{FlowOutput, SourceAttention};
pub use plain::Plain;

use crate::decoder::{DecoderMemory, DecoderState};
use crate::recurrent::Recurrent;
use attn_core::mechanism::Attention;
use burn::tensor::Tensor;

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

/// The order in which a decoder's layers and its attention follow each other.
pub(crate) trait Flow {
    /// The attention over the source; `None` where the decoder has none.
    fn attention(&self) -> Option<&Attention>;

    /// Runs the decoder's layers and the attention over target steps that follow those of `state`,
    /// which is moved on behind them.
    ///
    /// # Shapes
    /// - `embedded`: `[b, t, d_embedding]`
    ///
    /// # Panics
    /// If the memory was made by a decoder of another flow.
    fn forward(
        &self,
        embedded: Tensor<3>,
        layers: &Recurrent,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> FlowOutput;
}
