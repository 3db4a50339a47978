//! Layers of recurrent cells along their sequences, differentiable.

use super::scan::check_lengths;
#[cfg(any(feature = "ndarray", feature = "flex"))]
use super::sequence_ops::{self, SequenceSpec};
use super::twin;
#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::cpu::sequence::Kind;
#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// The hidden states of an LSTM at all steps, and its last hidden state and memory cell: at each step
/// that of [`lstm_cell`](super::lstm_cell), whose `recurrent` is `h U`, or `(h ⊙ dropout_factors) U`.
///
/// Rows are in the order of their lengths, the longest first. What stands behind a row's end does not
/// matter, not even NaN: outputs and gradients there are 0. A row's state freezes behind its last
/// step, and in reverse it starts there; one of no step ends with the state it started with. A row's
/// result is the same in whatever batch.
///
/// The kernel keeps the activated gates, in the memory of `projected` if that has no other owner, and
/// the memory cells. Its backward pass makes the gradient of `weight` as one product over all steps.
/// [`twin::lstm_sequence`] says what is computed, and runs where there is no kernel.
///
/// # Shapes
/// - `projected`, the gates' share of the input: `[s, rows, 4 · d]`
/// - `weight`, `U`: `[d, 4 · d]`
/// - the first hidden state and memory cell, and the last: `[rows, d]`
/// - `dropout_factors`, factors of recurrent dropout, the same at all steps: `[rows, d]`
/// - `lengths`: `rows`
/// - result: `[s, rows, d]`
///
/// # Panics
/// If the shapes do not fit, there is not a length for each row, one is more than `s`, or more than
/// the one before it.
///
/// ```
/// use attn_kernels::recurrent::lstm_sequence;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let zeros = |dims| Tensor::<2>::zeros(dims, &device);
/// let projected = Tensor::<3>::ones([5, 2, 4 * 3], &device);
/// let start = [zeros([2, 3]), zeros([2, 3])];
/// let (outputs, [hidden, _]) =
///     lstm_sequence(projected, zeros([3, 4 * 3]), start, None, &[5, 2], false);
/// assert_eq!((outputs.dims(), hidden.dims()), ([5, 2, 3], [2, 3]));
/// ```
pub fn lstm_sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    start: [Tensor<2>; 2],
    dropout_factors: Option<Tensor<2>>,
    lengths: &[usize],
    reverse: bool,
) -> (Tensor<3>, [Tensor<2>; 2]) {
    let [steps, rows, _] = projected.dims();
    let [_, d] = start[0].dims();
    check(&projected, &weight, (4, d), start.iter().chain(&dropout_factors), lengths);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if steps * rows * d > 0
        && has_kernels(&projected)
        && start.iter().chain(&dropout_factors).chain([&weight]).all(has_kernels)
    {
        let spec = SequenceSpec::new(Kind::Lstm, lengths, reverse);
        return sequence_ops::lstm(projected, weight, start, dropout_factors, spec);
    }
    let _ = (steps, rows);
    twin::lstm_sequence(projected, weight, start, dropout_factors, lengths, reverse)
}

/// The hidden states of a GRU at all steps, and its last one: at each step that of
/// [`gru_cell`](super::gru_cell), whose `recurrent` is `h U + d`, or `(h ⊙ dropout_factors) U + d`.
///
/// As [`lstm_sequence`]; the twin is [`twin::gru_sequence`].
///
/// # Shapes
/// - `projected`, the gates' share of the input: `[s, rows, 3 · d]`
/// - `weight`, `U`: `[d, 3 · d]`
/// - `bias`, `d`: `[3 · d]`
/// - `hidden`, the first state, and the last: `[rows, d]`
/// - `dropout_factors`, factors of recurrent dropout, the same at all steps: `[rows, d]`
/// - `lengths`: `rows`
/// - result: `[s, rows, d]`
///
/// # Panics
/// As [`lstm_sequence`].
pub fn gru_sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    hidden: Tensor<2>,
    dropout_factors: Option<Tensor<2>>,
    lengths: &[usize],
    reverse: bool,
) -> (Tensor<3>, Tensor<2>) {
    let [steps, rows, _] = projected.dims();
    let [_, d] = hidden.dims();
    check(&projected, &weight, (3, d), [&hidden].into_iter().chain(&dropout_factors), lengths);
    assert_shape!(bias, [3 * d]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if steps * rows * d > 0
        && has_kernels(&projected)
        && has_kernels(&bias)
        && [&weight, &hidden].into_iter().chain(&dropout_factors).all(has_kernels)
    {
        let spec = SequenceSpec::new(Kind::Gru, lengths, reverse);
        return sequence_ops::gru(projected, (weight, bias), hidden, dropout_factors, spec);
    }
    let _ = (steps, rows);
    twin::gru_sequence(projected, weight, bias, hidden, dropout_factors, lengths, reverse)
}

#[track_caller]
fn check<'a>(
    projected: &Tensor<3>,
    weight: &Tensor<2>,
    (gates, d): (usize, usize),
    of_rows: impl IntoIterator<Item = &'a Tensor<2>>,
    lengths: &[usize],
) {
    let [steps, rows, _] = projected.dims();
    assert_shape!(projected, [steps, rows, gates * d]);
    assert_shape!(weight, [d, gates * d]);
    of_rows.into_iter().for_each(|x| assert_shape!(x, [rows, d]));
    check_lengths(lengths, [steps, rows]);
}
