//! A recurrent decoder that attends.

mod config;
mod memory;
mod output;
mod state;

pub use config::DecoderConfig;
pub use memory::DecoderMemory;
pub use output::{Decoded, Hidden};
pub use state::DecoderState;

use crate::copying::Copying;
use crate::encoder::Annotations;
use crate::flow::{AnyFlow, Flow, FlowOutput};
use crate::linear;
use crate::pointer::{SourceWords, mixture};
use crate::recurrent::{Recurrent, State};
use attn_core::Dropout;
use attn_core::mechanism::Attention;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{FloatDType, Int, Tensor};

/// Recurrent layers that predict the next target token and attend to the source.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Vectors of the tokens, `[vocab, d_embedding]`.
    pub embedding: Embedding,
    /// Acts on the vectors, and on what the output layer reads.
    pub dropout: Dropout,
    /// The layers.
    pub recurrent: Recurrent,
    /// How they attend to the source.
    pub flow: AnyFlow,
    /// Output layer, into the vocabulary.
    pub head: Linear,
    /// Decides between that and copying; `None`: nothing is copied.
    pub copy: Option<Copying>,
}

impl Decoder {
    /// The source as this decoder attends to it; `start`: its first states, `None`: zeros.
    pub(crate) fn project_memory(
        &self,
        annotations: Annotations,
        start: Option<Vec<State>>,
        words: Option<SourceWords>,
    ) -> DecoderMemory {
        let Annotations { values, lengths, .. } = annotations;
        let (b, device, dtype) = (values.dims()[0], values.device(), values.dtype());
        let values = values.unsqueeze_dim::<4>(1); // [b, 1, s, d_annotation]
        let project = |attention: &Attention| attention.project_memory(values.clone(), values);
        DecoderMemory {
            attention: self.flow.attention().map(project),
            lengths,
            words,
            start: start
                .unwrap_or_else(|| self.recurrent.start(b, &device, FloatDType::from(dtype))),
        }
    }

    /// Number of tokens.
    pub(crate) fn vocab(&self) -> usize {
        self.embedding.weight.dims()[0]
    }

    /// Before the first target token.
    pub fn begin(&self, memory: &DecoderMemory) -> DecoderState {
        let hidden = &memory.start[0].hidden;
        let (device, dtype) = (hidden.device(), FloatDType::from(hidden.dtype()));
        DecoderState::start(memory, self.recurrent.draw(memory.rows(), &device, dtype))
    }

    /// Logits of each target token's successor, and the weights of the source steps. `target` are the
    /// tokens that follow those of `state`, which is moved on behind them.
    ///
    /// # Shapes
    /// - `target`: `[b, t]`, ids of the vocabulary, or where words are copied, of the extended one
    ///
    /// # Panics
    /// If the batches of `target`, `memory` and `state` differ, there is no target step, or the memory
    /// is that of a decoder without attention and this one has attention.
    pub fn decode(
        &self,
        target: Tensor<2, Int>,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> Decoded {
        let past = state.past().clone();
        let Hidden { features, weights, draw, gate } = self.hidden(target, memory, state);
        let logits = linear::apply(&self.head, features); // [b, t, vocab]
        let logits = match (&gate, &weights, &memory.words) {
            (Some(gate), Some(weights), Some(words)) => {
                mixture(gate.clone(), logits, weights.clone(), words) // [b, t, extended]
            }
            _ => logits,
        };
        let p_gen = gate.map(|gate| log_sigmoid(gate).exp());
        Decoded { logits, weights, draw, p_gen, past }
    }

    /// [`decode`](Self::decode) up to the output layer.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    pub fn hidden(
        &self,
        target: Tensor<2, Int>,
        memory: &DecoderMemory,
        state: &mut DecoderState,
    ) -> Hidden {
        let [b, t] = target.dims();
        assert!(t > 0, "a target of no step");
        assert_eq!([b; 2], [memory.rows(), state.rows()], "rows of target, memory, state");
        let target = match &self.copy {
            None => target,
            Some(copy) => copy.embeddable(target, self.vocab()),
        };
        let embedded = self.dropout.forward(self.embedding.forward(target)); // [b, t, e]
        let FlowOutput { features, hidden, attention } =
            self.flow.forward(embedded.clone(), &self.recurrent, memory, state);
        state.count(t);
        let gate = self.copy.as_ref().zip(attention.as_ref()).map(|(copy, attention)| {
            copy.pointer.gate(attention.context.clone(), hidden, embedded)
        });
        let (weights, draw) = attention.map(|found| (found.weights, found.draw)).unzip();
        Hidden { features: self.dropout.forward(features), weights, draw: draw.flatten(), gate }
    }
}
