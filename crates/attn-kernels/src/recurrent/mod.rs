//! Recurrent cells, step by step or along whole sequences, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
mod scan;
mod sequence;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod sequence_ops;
pub mod twin;

pub use scan::{each_step, scan};
pub use sequence::{gru_sequence, lstm_sequence};

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// The hidden state and the memory cell behind a step of an LSTM (Hochreiter & Schmidhuber 1997; Gers
/// et al. 2000):
///
/// ```text
/// i, f, g, o = projected + recurrent
/// c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g)
/// h' = σ(o) ⊙ tanh(c')
/// ```
///
/// Only the inputs are kept for the backward pass. The result of a row does not depend on the other rows of its
/// batch. [`twin::lstm_cell`] says what is computed, and runs where there is no kernel.
///
/// # Shapes
/// - `projected`, the gates' share of the input, and `recurrent`, of the state: `[rows, 4 · d]`
/// - `cell` and both results: `[rows, d]`
///
/// # Panics
/// If the shapes do not fit.
pub fn lstm_cell(
    projected: Tensor<2>,
    recurrent: Tensor<2>,
    cell: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let [rows, d] = cell.dims();
    assert_shape!(projected, [rows, 4 * d]);
    assert_shape!(recurrent, [rows, 4 * d]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if rows * d > 0 && [&projected, &recurrent, &cell].into_iter().all(has_kernels) {
        let both = ops::lstm(projected, recurrent, cell); // [rows, 2 · d]
        return (both.clone().slice_dim(1, 0..d), both.slice_dim(1, d..2 * d));
    }
    twin::lstm_cell(projected, recurrent, cell)
}

/// The hidden state behind a step of a GRU (Cho et al. 2014), whose reset gate acts behind the matrix
/// of the state:
///
/// ```text
/// r = σ(projected_r + recurrent_r)
/// z = σ(projected_z + recurrent_z)
/// n = tanh(projected_n + r ⊙ recurrent_n)
/// h' = n + z ⊙ (h - n)
/// ```
///
/// As [`lstm_cell`]; the twin is [`twin::gru_cell`].
///
/// # Shapes
/// - `projected`, the gates' share of the input, and `recurrent`, of the state: `[rows, 3 · d]`
/// - `hidden` and result: `[rows, d]`
///
/// # Panics
/// If the shapes do not fit.
pub fn gru_cell(projected: Tensor<2>, recurrent: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
    let [rows, d] = hidden.dims();
    assert_shape!(projected, [rows, 3 * d]);
    assert_shape!(recurrent, [rows, 3 * d]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if rows * d > 0 && [&projected, &recurrent, &hidden].into_iter().all(has_kernels) {
        return ops::gru(projected, recurrent, hidden);
    }
    twin::gru_cell(projected, recurrent, hidden)
}
