//! What a mechanism keeps of the steps so far.

use burn::tensor::{Device, Int, Tensor};
use std::fmt::Debug;

/// The state of a [`Stepwise`](super::Stepwise) mechanism; empty by default, before the first step.
///
/// It belongs to the mechanism and the batch that it was first used with.
pub trait MechanismState: Clone + Debug + Default {
    /// Number of steps so far.
    fn len(&self) -> usize;

    /// Whether there are no steps yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of batch rows, and where they are; `None` before the first step.
    fn batch(&self) -> Option<(usize, Device)>;

    /// The state of a batch whose row `r` was row `rows[r]`, as a beam search leaves them; rows may
    /// repeat or vanish.
    fn select_rows(self, rows: &Tensor<1, Int>) -> Self;

    /// Size in bytes of the tensors that are kept, with the room that they have for steps to come.
    fn bytes(&self) -> usize;
}

/// Bytes of a tensor.
pub(super) fn bytes_of<const D: usize>(tensor: &Tensor<D>) -> usize {
    tensor.shape().num_elements() * tensor.dtype().size()
}
