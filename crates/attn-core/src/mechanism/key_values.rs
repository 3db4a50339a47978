//! Keys and values of all steps so far.

use super::state::{MechanismState, bytes_of};
use attn_kernels::narrow::narrow;
use burn::tensor::{Device, Int, Tensor};
use std::ops::Range;

/// The keys and values of all steps so far.
///
/// They lie in tensors that have room for steps to come, so that a step is written behind the others
/// and these stay where they are.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyValues {
    /// `[b, g, room, d]` and `[b, g, room, value_dim]`, of which the first `len` steps count.
    stored: Option<(Tensor<4>, Tensor<4>)>,
    len: usize,
}

impl KeyValues {
    /// Adds steps and returns all.
    ///
    /// # Shapes
    /// - `key`: `[b, g, steps, d]`
    /// - `value`: `[b, g, steps, value_dim]`
    ///
    /// # Panics
    /// If key and value do not fit each other or the steps so far.
    pub fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        assert_eq!(
            key.dims()[..3],
            value.dims()[..3],
            "key {:?} does not fit value {:?}: batch, heads and keys must agree",
            key.dims(),
            value.dims()
        );
        let steps = self.len..self.len + key.dims()[2];
        let all = match self.stored.take() {
            None => (key, value),
            Some((keys, values)) => {
                let room = keys.dims()[2];
                // Twice what is needed now: then each step is moved a few times at most.
                let room = if steps.end <= room { room } else { 2 * steps.end };
                (write(keys, key, &steps, room), write(values, value, &steps, room))
            }
        };
        self.len = steps.end;
        let (keys, values) = self.stored.insert(all).clone();
        (narrow(keys, 2, 0, self.len), narrow(values, 2, 0, self.len))
    }
}

impl MechanismState for KeyValues {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self) -> Option<(usize, Device)> {
        self.stored.as_ref().map(|(keys, _)| (keys.dims()[0], keys.device()))
    }

    fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        let select = |x: Tensor<4>| x.select(0, rows.clone());
        Self { stored: self.stored.map(|(key, value)| (select(key), select(value))), ..self }
    }

    fn bytes(&self) -> usize {
        self.stored.as_ref().map_or(0, |(keys, values)| bytes_of(keys) + bytes_of(values))
    }
}

/// Writes `[b, g, steps, d]` to `steps` of what is stored, which gets `room`.
fn write(stored: Tensor<4>, new: Tensor<4>, steps: &Range<usize>, room: usize) -> Tensor<4> {
    let [b, g, old_room, d] = stored.dims();
    let [new_b, new_g, _, new_d] = new.dims();
    assert_eq!(
        [new_b, new_g, new_d],
        [b, g, d],
        "new keys do not fit the state: batch, heads and head width must agree"
    );
    let assign = |to: Tensor<4>, what: Tensor<4>, steps: Range<usize>| {
        to.slice_assign([0..b, 0..g, steps, 0..d], what)
    };
    let stored = if old_room == room {
        stored
    } else {
        let empty = Tensor::zeros([b, g, room, d], (&stored.device(), stored.dtype()));
        assign(empty, stored.narrow(2, 0, steps.start), 0..steps.start)
    };
    assign(stored, new, steps.clone())
}
