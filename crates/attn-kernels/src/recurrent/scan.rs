//! A scan: a cell of any operations along its sequences, step by step.

use burn::tensor::{Tensor, assert_shape};

/// Scans sequences with a cell, step by step: its first state at all steps, 0 behind each end, and its
/// last states.
///
/// Forwards, a row leaves the batch behind its last step; backwards, it enters there. So its state
/// never sees padding. `step` is given what it reads of the rows that have a step, which are the
/// first ones, and their states before it.
///
/// # Shapes
/// - `inputs`: `[s, rows, d_input]`
/// - `start` and the last states: `[rows, d]`
/// - result: `[s, rows, d]`
///
/// # Panics
/// If the shapes do not fit, there is not a length for each row, one is more than `s`, or more than
/// the one before it.
pub fn scan<const N: usize>(
    inputs: Tensor<3>,
    lengths: &[usize],
    reverse: bool,
    start: [Tensor<2>; N],
    mut step: impl FnMut(Tensor<2>, [Tensor<2>; N]) -> [Tensor<2>; N],
) -> (Tensor<3>, [Tensor<2>; N]) {
    let [steps, rows, _] = inputs.dims();
    let [_, d] = start[0].dims();
    start.iter().for_each(|start| assert_shape!(start, [rows, d]));
    check_lengths(lengths, [steps, rows]);
    let (device, dtype) = (inputs.device(), inputs.dtype());
    let zeros = |steps: usize, rows: usize| Tensor::<3>::zeros([steps, rows, d], (&device, dtype));
    let real = lengths.first().copied().unwrap_or(0);
    if real == 0 {
        return (zeros(steps, rows), start);
    }
    let rows_at = |step: usize| lengths.partition_point(|&length| length > step);
    let inputs = each_step(inputs.slice_dim(0, 0..real));

    let mut outputs = Vec::with_capacity(real + 1);
    let mut finished: Vec<[Tensor<2>; N]> = Vec::new();
    let first = if reverse { rows_at(real - 1) } else { rows };
    let mut states = part(&start, 0..first);
    for iteration in 0..real {
        let number = if reverse { real - 1 - iteration } else { iteration };
        let active = rows_at(number);
        let [before, _] = states[0].dims();
        if active > before {
            states = join(vec![states, part(&start, before..active)]);
        } else if active < before {
            finished.push(part(&states, active..before));
            states = part(&states, 0..active);
        }
        let input = first_rows(inputs[number].clone().squeeze_dim(0), active);
        states = step(input, states);
        let output = states[0].clone().unsqueeze_dim::<3>(0); // [1, active, d]
        outputs.push(if active < rows {
            Tensor::cat(vec![output, zeros(1, rows - active)], 1)
        } else {
            output
        });
    }
    if reverse {
        outputs.reverse();
        let [active, _] = states[0].dims();
        if active < rows {
            states = join(vec![states, part(&start, active..rows)]);
        }
    } else {
        finished.push(states);
        finished.reverse();
        states = join(finished);
    }
    if real < steps {
        outputs.push(zeros(steps - real, rows));
    }
    (Tensor::cat(outputs, 0), states)
}

/// # Panics
/// If there is not a length for each row, one is more than the steps, or more than the one before.
#[track_caller]
pub(super) fn check_lengths(lengths: &[usize], [steps, rows]: [usize; 2]) {
    assert_eq!(lengths.len(), rows, "{} lengths for {rows} rows", lengths.len());
    if let Some(row) = lengths.iter().position(|&length| length > steps) {
        panic!("row {row} has length {}, more than its {steps} steps", lengths[row]);
    }
    if let Some(row) = lengths.windows(2).position(|pair| pair[0] < pair[1]) {
        panic!(
            "row {} is longer than row {row}: {} and {} steps",
            row + 1,
            lengths[row + 1],
            lengths[row]
        );
    }
}

/// The first rows.
pub(super) fn first_rows(x: Tensor<2>, count: usize) -> Tensor<2> {
    if count < x.dims()[0] { x.slice_dim(0, 0..count) } else { x }
}

fn part<const N: usize>(states: &[Tensor<2>; N], rows: std::ops::Range<usize>) -> [Tensor<2>; N] {
    states.each_ref().map(|state| {
        if rows.len() == state.dims()[0] {
            state.clone()
        } else {
            state.clone().slice_dim(0, rows.clone())
        }
    })
}

/// The rows of all, one behind the other.
fn join<const N: usize>(parts: Vec<[Tensor<2>; N]>) -> [Tensor<2>; N] {
    std::array::from_fn(|state| {
        let of: Vec<_> = parts.iter().map(|part| part[state].clone()).collect();
        Tensor::cat(of, 0)
    })
}

/// Each step of `[s, b, d]`, as `[1, b, d]`.
///
/// By halves: the gradient of a slice is as large as what it was cut from, so `s` slices of the whole
/// would cost `s²`, and this costs `s log s`.
pub fn each_step(x: Tensor<3>) -> Vec<Tensor<3>> {
    let [steps, ..] = x.dims();
    if steps <= 1 {
        return vec![x];
    }
    let middle = steps / 2;
    let mut all = each_step(x.clone().slice_dim(0, 0..middle));
    all.extend(each_step(x.slice_dim(0, middle..steps)));
    all
}
