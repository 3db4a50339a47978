//! A cell along its sequences.

use super::packing::Packing;
use super::{Cell, State};
use burn::tensor::Tensor;

/// What a cell makes of sequences `x`, `[s, b, d_input]`, in the order of their lengths: its outputs,
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
    let d_hidden = cell.d_hidden();
    let zeros =
        |steps: usize, rows: usize| Tensor::<3>::zeros([steps, rows, d_hidden], (&device, dtype));
    let real = packing.steps();
    if real == 0 || rows == 0 {
        return (zeros(steps, rows), start);
    }
    let projected = each_step(cell.project(x.slice_dim(0, 0..real)));

    let mut outputs = Vec::with_capacity(real + 1);
    let mut gone = Vec::new();
    let first = if reverse { packing.rows_at(real - 1) } else { rows };
    let mut state = start.slice(0..first);
    for turn in 0..real {
        let step = if reverse { real - 1 - turn } else { turn };
        let live = packing.rows_at(step);
        let before = state.rows();
        if live > before {
            state = State::cat(vec![state, start.slice(before..live)]);
        } else if live < before {
            gone.push(state.slice(live..before));
            state = state.slice(0..live);
        }
        let only_live = |x: Tensor<2>| if live < rows { x.slice_dim(0, 0..live) } else { x };
        let input = only_live(projected[step].clone().squeeze_dim(0)); // [live, gates · d]
        state = cell.step(input, state, kept.clone().map(only_live).as_ref());
        let output = state.hidden.clone().unsqueeze_dim::<3>(0); // [1, live, d]
        outputs.push(if live < rows {
            Tensor::cat(vec![output, zeros(1, rows - live)], 1)
        } else {
            output
        });
    }
    if reverse {
        outputs.reverse();
        let live = state.rows();
        if live < rows {
            state = State::cat(vec![state, start.slice(live..rows)]);
        }
    } else {
        gone.push(state);
        gone.reverse();
        state = State::cat(gone);
    }
    if real < steps {
        outputs.push(zeros(steps - real, rows));
    }
    (Tensor::cat(outputs, 0), state)
}

/// Each step of `[s, b, d]`, as `[1, b, d]`.
///
/// By halves: the gradient of a slice is as large as what it was cut from, so `s` slices of the whole
/// would cost `s²`, and this costs `s log s`.
fn each_step(x: Tensor<3>) -> Vec<Tensor<3>> {
    let [steps, ..] = x.dims();
    if steps <= 1 {
        return vec![x];
    }
    let middle = steps / 2;
    let mut all = each_step(x.clone().slice_dim(0, 0..middle));
    all.extend(each_step(x.slice_dim(0, middle..steps)));
    all
}
