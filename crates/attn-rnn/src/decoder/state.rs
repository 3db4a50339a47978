//! What a decoder keeps from one step to the next.

use super::DecoderMemory;
use crate::flow::SourceAttention;
use crate::recurrent::{Recurrent, RecurrentDropout, State, index};
use attn_core::Mask;
use attn_core::alignment::Past;
use attn_core::mechanism::Attention;
use burn::tensor::{Int, Tensor};

/// What a decoder keeps from one step to the next.
#[derive(Clone, Debug)]
pub struct DecoderState {
    /// Of each layer.
    states: Vec<State>,
    /// The attentional vector of the step before, with input feeding, `[b, d_hidden]`; `None` before
    /// the first step.
    fed: Option<Tensor<2>>,
    /// Of the attention.
    past: Past,
    recurrent_dropout: RecurrentDropout,
    steps: usize,
}

impl DecoderState {
    /// Before the first target token.
    pub(super) fn start(memory: &DecoderMemory, recurrent_dropout: RecurrentDropout) -> Self {
        let states = memory.start.clone();
        Self { states, fed: None, past: Past::start(), recurrent_dropout, steps: 0 }
    }

    /// Number of target tokens so far.
    pub fn len(&self) -> usize {
        self.steps
    }

    /// Whether there is no target token yet.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Weights of the source steps at the last step, `[b, s]`; `None` before the first, and where the
    /// decoder has no attention.
    pub fn weights(&self) -> Option<Tensor<2>> {
        self.past.weights.clone().map(|weights| weights.squeeze_dim(1))
    }

    pub(super) fn rows(&self) -> usize {
        self.states[0].rows()
    }

    /// The attention of all steps so far.
    pub(super) fn past(&self) -> &Past {
        &self.past
    }

    /// Counts target tokens.
    pub(super) fn count(&mut self, steps: usize) {
        self.steps += steps;
    }

    /// The state of the last layer, `[b, 1, d_hidden]`.
    pub(crate) fn top(&self) -> Tensor<3> {
        self.states[self.states.len() - 1].hidden.clone().unsqueeze_dim(1)
    }

    /// Runs the layers over one step, `[b, d]`; the new state of the last layer, `[b, 1, d_hidden]`.
    pub(crate) fn step(&mut self, layers: &Recurrent, input: Tensor<2>) -> Tensor<3> {
        let before = std::mem::take(&mut self.states);
        self.states = layers.step(input, before, Some(&self.recurrent_dropout));
        self.top()
    }

    /// Runs the layers over all steps of `[b, t, d]`; the states of the last layer, `[b, t, d_hidden]`.
    pub(crate) fn advance(&mut self, layers: &Recurrent, input: Tensor<3>) -> Tensor<3> {
        let [b, t, _] = input.dims();
        let before = std::mem::take(&mut self.states);
        let output = layers.continue_with(input, &vec![t; b], before, &self.recurrent_dropout);
        self.states = output.states;
        output.outputs
    }

    /// The attention of queries `[b, t, d_hidden]`.
    pub(crate) fn attend(
        &mut self,
        attention: &Attention,
        query: Tensor<3>,
        memory: &DecoderMemory,
    ) -> SourceAttention {
        let keys = memory.attention.as_ref().expect("the memory of a decoder without attention");
        let query = query.unsqueeze_dim::<4>(1); // [b, 1, t, d_hidden]
        let mask = Mask::padding(memory.lengths.clone());
        let found = attention.cross_attend(query, keys, &mask, &mut self.past);
        SourceAttention {
            context: found.context.squeeze_dim(1),
            weights: found.weights.squeeze_dim(1),
            draw: found.draw,
        }
    }

    /// What [`feed`](Self::feed) was given, `[b, d_hidden]`; zeros before the first step.
    pub(crate) fn take_fed(&mut self) -> Tensor<2> {
        let last = &self.states[self.states.len() - 1].hidden;
        self.fed.take().unwrap_or_else(|| last.zeros_like())
    }

    /// Keeps an attentional vector `[b, d_hidden]` for the next step.
    pub(crate) fn feed(&mut self, attentional: Tensor<2>) {
        self.fed = Some(attentional);
    }

    /// The state of a batch whose row `r` was row `rows[r]`.
    pub(crate) fn select_rows(self, rows: &[usize]) -> Self {
        let index = index(rows, &self.states[0].hidden.device());
        Self {
            states: select_states(self.states, &index),
            fed: self.fed.map(|fed| fed.select(0, index.clone())),
            past: self.past.select_rows(&index),
            recurrent_dropout: self.recurrent_dropout.select_rows(&index),
            steps: self.steps,
        }
    }
}

pub(super) fn select_states(states: Vec<State>, index: &Tensor<1, Int>) -> Vec<State> {
    states.into_iter().map(|state| state.select_rows(index)).collect()
}
