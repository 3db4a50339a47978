//! A cell along its sequences.

use super::packing::Packing;
use super::{Cell, State};
use attn_kernels::recurrent::{gru_sequence, lstm_sequence, scan};
use burn::tensor::Tensor;

/// Runs a cell over sequences `x`, `[s, b, d_input]`, in the order of their lengths: its outputs,
/// `[s, b, d_hidden]`, 0 behind each end, and its last state.
///
/// Forwards, a row leaves the batch behind its last step; backwards, it enters there. So its state
/// never sees padding.
pub(super) fn run(
    cell: &Cell,
    x: Tensor<3>,
    packing: &Packing,
    start: State,
    reverse: bool,
    kept: Option<Tensor<2>>,
) -> (Tensor<3>, State) {
    let [steps, rows, _] = x.dims();
    let (device, dtype) = (x.device(), x.dtype());
    let zeros = |steps: usize| Tensor::zeros([steps, rows, cell.d_hidden()], (&device, dtype));
    let real = packing.steps();
    if real == 0 || rows == 0 {
        return (zeros(steps), start);
    }
    let projected = cell.project(if real < steps { x.slice_dim(0, 0..real) } else { x });
    let (outputs, state) = walk(cell, projected, packing.lengths(), start, reverse, kept);
    let outputs = match steps - real {
        0 => outputs,
        behind => Tensor::cat(vec![outputs, zeros(behind)], 0),
    };
    (outputs, state)
}

/// Of inputs that are projected, `[s, b, gates · d_hidden]`.
fn walk(
    cell: &Cell,
    projected: Tensor<3>,
    lengths: &[usize],
    start: State,
    reverse: bool,
    kept: Option<Tensor<2>>,
) -> (Tensor<3>, State) {
    if let Cell::Lstmn(lstmn) = cell {
        return lstmn.run(projected, lengths, start, reverse, kept);
    }
    let State { hidden, cell: memory } = start;
    match (cell, memory) {
        (Cell::Lstm(lstm), Some(memory)) if lstm.cell_norm.is_none() => {
            let (weight, start) = (lstm.recurrent.weight.val(), [hidden, memory]);
            let (outputs, [hidden, memory]) =
                lstm_sequence(projected, weight, start, kept, lengths, reverse);
            (outputs, State { hidden, cell: Some(memory) })
        }
        (Cell::Gru(gru), None)
            if let (None, Some(bias)) = (&gru.recurrent.gain, &gru.recurrent.bias) =>
        {
            let (weight, bias) = (gru.recurrent.weight.val(), bias.val());
            let (outputs, hidden) =
                gru_sequence(projected, weight, bias, hidden, kept, lengths, reverse);
            (outputs, State { hidden, cell: None })
        }
        (_, Some(memory)) => {
            let (outputs, [hidden, memory]) =
                scan(projected, lengths, reverse, [hidden, memory], |input, [hidden, memory]| {
                    let state = State { hidden, cell: Some(memory) };
                    let State { hidden, cell } = step(cell, input, state, kept.as_ref());
                    [hidden, cell.expect("an LSTM's state has a cell")]
                });
            (outputs, State { hidden, cell: Some(memory) })
        }
        (_, None) => {
            let (outputs, [hidden]) =
                scan(projected, lengths, reverse, [hidden], |input, [hidden]| {
                    let state = State { hidden, cell: None };
                    [step(cell, input, state, kept.as_ref()).hidden]
                });
            (outputs, State { hidden, cell: None })
        }
    }
}

/// Of the first rows of a batch.
fn step(cell: &Cell, input: Tensor<2>, state: State, kept: Option<&Tensor<2>>) -> State {
    let rows = state.rows();
    let kept = kept.map(|kept| kept.clone().slice_dim(0, 0..rows));
    cell.step(input, state, kept.as_ref())
}
