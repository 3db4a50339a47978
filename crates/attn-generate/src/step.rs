//! What a model must be able to do so that this crate can decode with it.

use burn::tensor::Tensor;

/// A model that goes on from a state by one token per row.
///
/// Shapes: `r` rows (sentences, or hypotheses of sentences), `v` vocabulary.
///
/// The state is whatever the model needs to remember: the encoder's output and a key/value cache, a
/// recurrent hidden state, or the tokens so far. It travels by value, so a model may reuse its
/// memory; and it starts where the caller wants, see [`Start`](crate::Start).
pub trait StepDecoder {
    /// What the model remembers of each row.
    type State;

    /// Appends `tokens[i]` to row `i` of the state and scores the token after it.
    ///
    /// The logits are unnormalized log-probabilities; −∞ forbids a token. A row may depend on
    /// nothing but its own past, so that what else is in the batch changes no result.
    ///
    /// # Shapes
    /// - `tokens`: one per row of `state`
    /// - logits: `[r, v]`
    fn step(&self, state: Self::State, tokens: &[u32]) -> (Tensor<2>, Self::State);

    /// The state whose row `i` is row `rows[i]` of `state`.
    ///
    /// Rows may repeat (a hypothesis splits), vanish (it is dropped) and change their order, so the
    /// result has `rows.len()` rows, more or fewer than before.
    fn reorder(&self, state: Self::State, rows: &[usize]) -> Self::State;

    /// For each row of the state, how much the last step attended to each position of its source, the
    /// padding left out. `None` where the model attends to no source or keeps no weights.
    ///
    /// A [`CoveragePenalty`](crate::CoveragePenalty) needs it. Of several heads or layers, the model
    /// says which weights these are, or their mean.
    fn attention(&self, _state: &Self::State) -> Option<Vec<Vec<f32>>> {
        None
    }
}
