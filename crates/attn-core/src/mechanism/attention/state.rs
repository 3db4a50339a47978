//! What attention keeps of the steps so far: keys, values, and the weights of the queries before.

use super::{Attention, AttentionOutput, KeyValueMemory};
use crate::alignment::Past;
use crate::mechanism::Stepwise;
use crate::mechanism::key_values::KeyValues;
use crate::mechanism::state::{MechanismState, bytes_of};
use crate::{Mask, attend, attend_with_weights};
use burn::tensor::{Device, Int, Tensor};

/// The state of an [`Attention`]: keys and values of all steps so far, and for scores and alignments
/// that look back at earlier queries, what these left.
#[derive(Clone, Debug, Default)]
pub struct AttentionState {
    /// Keys as the score wants them.
    seen: KeyValues,
    /// `[b, g, k, 1]`, 1 for keys that held what is not a number; as ints, because burn-flex selects
    /// from booleans what are none afterwards. None where the fused kernel sees to that.
    broken: Option<Tensor<4, Int>>,
    past: Past,
}

impl AttentionState {
    /// Adds projected keys and values and returns all.
    fn append(&mut self, new: KeyValueMemory) -> KeyValueMemory {
        let (key, value) = self.seen.append(new.key, new.value);
        let broken = new.broken.map(|broken| {
            let broken = match self.broken.take() {
                None => broken.int(),
                Some(before) => Tensor::cat(vec![before, broken.int()], 2),
            };
            self.broken.insert(broken).clone().equal_elem(1)
        });
        KeyValueMemory { key, broken, value }
    }
}

impl MechanismState for AttentionState {
    fn len(&self) -> usize {
        self.seen.len()
    }

    fn batch(&self) -> Option<(usize, Device)> {
        self.seen.batch()
    }

    fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            seen: self.seen.select_rows(rows),
            broken: self.broken.map(|broken| broken.select(0, rows.clone())),
            past: self.past.select_rows(rows),
        }
    }

    fn bytes(&self) -> usize {
        let Past { weights, coverage, carry, .. } = &self.past;
        let past: usize = [weights, coverage, carry].into_iter().flatten().map(bytes_of).sum();
        let broken = self.broken.as_ref();
        let broken = broken.map_or(0, |marks| marks.shape().num_elements() * marks.dtype().size());
        self.seen.bytes() + broken + past
    }
}

impl Attention {
    /// Contexts and weights of the general form, of queries that follow those of `state`.
    fn step_by_scores(
        &self,
        state: &mut AttentionState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> AttentionOutput {
        let memory = state.append(self.project_memory(key, value));
        state.past.widen(memory.keys());
        self.cross_attend(query, &memory, mask, &mut state.past)
    }
}

impl Stepwise for Attention {
    type State = AttentionState;

    fn step(
        &self,
        state: &mut AttentionState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        match self.fused_with_dropout(&query.device()) {
            Some(options) => {
                let (key, value) = state.seen.append(key, value);
                attend(query, key, value, mask, &options)
            }
            None => self.step_by_scores(state, query, key, value, mask).context,
        }
    }

    fn step_with_weights(
        &self,
        state: &mut AttentionState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        match self.fused_with_dropout(&query.device()) {
            Some(options) => {
                let (key, value) = state.seen.append(key, value);
                let attended = attend_with_weights(query, key, value, mask, &options);
                (attended.context, attended.weights)
            }
            None => {
                let output = self.step_by_scores(state, query, key, value, mask);
                (output.context, output.weights)
            }
        }
    }
}
