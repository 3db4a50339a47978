//! Recurrent cells in plain tensor operations: what "correct" means, and what runs on every
//! device.

use super::scan::{first_rows, scan};
use burn::tensor::{DType, Tensor, activation};

/// [`lstm_cell`](super::lstm_cell).
pub fn lstm_cell(
    projected: Tensor<2>,
    recurrent: Tensor<2>,
    cell: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let gates = (projected + recurrent).chunk(4, 1);
    let [input, forget, candidate, output] = [0, 1, 2, 3].map(|gate| gates[gate].clone());
    let cell = sigmoid(forget) * cell + sigmoid(input) * candidate.tanh();
    (sigmoid(output) * cell.clone().tanh(), cell)
}

/// [`gru_cell`](super::gru_cell).
pub fn gru_cell(projected: Tensor<2>, recurrent: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
    let (projected, recurrent) = (projected.chunk(3, 1), recurrent.chunk(3, 1));
    let of = |gate: usize| (projected[gate].clone(), recurrent[gate].clone());
    let (reset, update) = (of(0), of(1));
    let reset = sigmoid(reset.0 + reset.1);
    let update = sigmoid(update.0 + update.1);
    let (of_input, of_state) = of(2);
    let new = (of_input + reset * of_state).tanh();
    new.clone() + update * (hidden - new)
}

/// [`lstm_sequence`](super::lstm_sequence).
pub fn lstm_sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    start: [Tensor<2>; 2],
    dropout_factors: Option<Tensor<2>>,
    lengths: &[usize],
    reverse: bool,
) -> (Tensor<3>, [Tensor<2>; 2]) {
    scan(projected, lengths, reverse, start, |projected, [hidden, cell]| {
        let recurrent = matrix_input(hidden, dropout_factors.as_ref()).matmul(weight.clone());
        let (hidden, cell) = lstm_cell(projected, recurrent, cell);
        [hidden, cell]
    })
}

/// [`gru_sequence`](super::gru_sequence).
pub fn gru_sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    hidden: Tensor<2>,
    dropout_factors: Option<Tensor<2>>,
    lengths: &[usize],
    reverse: bool,
) -> (Tensor<3>, Tensor<2>) {
    let (outputs, [hidden]) = scan(projected, lengths, reverse, [hidden], |projected, [hidden]| {
        let recurrent =
            matrix_input(hidden.clone(), dropout_factors.as_ref()).matmul(weight.clone());
        let recurrent = recurrent + bias.clone().unsqueeze_dim(0);
        [gru_cell(projected, recurrent, hidden)]
    });
    (outputs, hidden)
}

/// What the matrix sees of a state.
fn matrix_input(hidden: Tensor<2>, dropout_factors: Option<&Tensor<2>>) -> Tensor<2> {
    match dropout_factors {
        None => hidden,
        Some(dropout_factors) => {
            let [rows, _] = hidden.dims();
            hidden * first_rows(dropout_factors.clone(), rows)
        }
    }
}

fn sigmoid(x: Tensor<2>) -> Tensor<2> {
    if x.dtype() == DType::F64 {
        // burn's own goes through f32 on some backends; `tanh` does not.
        return (x * 0.5).tanh() * 0.5 + 0.5;
    }
    activation::sigmoid(x)
}
