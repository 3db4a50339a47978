//! Sequences forwards.

use super::super::chunks::{load, overwrite};
use super::super::schedule::run_tasks;
use super::super::simd::{Isa, Op, Real, Simd};
use super::cell::{Cell, CellOutput, Gru, Lstm};
use super::packed::{LeftRows, Packed, Target};
use super::{Kind, Sequences, Steps, TaskRows, alternating, row};
use std::marker::PhantomData;

/// Walks along the sequences. `gates` are their shares of the input, `[steps, rows, gates · d]`, and
/// become the activated gates, but where there is no step.
///
/// Returns the hidden states of all steps, 0 where there is none, `[steps, rows, d]`; likewise the
/// memory cells of an LSTM, or the new gate's share of the state of a GRU; and the last states,
/// `[states, rows, d]`.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn forward(isa: Isa, sequences: Sequences, gates: &mut [f32]) -> [Vec<f32>; 3] {
    match sequences.kind {
        Kind::Lstm => of_cell::<Lstm>(isa, sequences, gates),
        Kind::Gru => of_cell::<Gru>(isa, sequences, gates),
    }
}

fn of_cell<C: Cell>(isa: Isa, sequences: Sequences, gates: &mut [f32]) -> [Vec<f32>; 3] {
    sequences.check();
    assert_eq!(gates.len(), sequences.gates(), "gates of another shape");
    let (rows, d, width) = (sequences.rows(), sequences.d, C::GATES * sequences.d);
    let [mut output, mut extra] = [(); 2].map(|()| vec![0.0; sequences.hiddens()]);
    let mut last = vec![0.0; sequences.lasts()];
    let weights: Vec<Packed> = (0..C::GATES)
        .map(|gate| Packed::new(isa, &sequences.weight[gate * d..], [d, d], [width, 1]))
        .collect();
    let tasks = sequences.tasks();
    let places = [
        Steps::new(gates, rows, width),
        Steps::new(&mut output, rows, d),
        Steps::new(&mut extra, rows, d),
        Steps::new(&mut last, rows, d),
    ];
    run_tasks(
        tasks,
        sequences.work(),
        || (),
        |(), task| {
            let task_rows = TaskRows { task, tasks };
            let weights = &weights;
            f32::run(
                isa,
                Forward::<C> { sequences, weights, task_rows, places, cell: PhantomData },
            );
        },
    );
    [output, extra, last]
}

struct Forward<'a, C> {
    sequences: Sequences<'a>,
    /// Of each gate.
    weights: &'a [Packed],
    task_rows: TaskRows,
    /// Gates, outputs, what the backward pass needs beside them, last states.
    places: [Steps; 4],
    cell: PhantomData<C>,
}

impl<C: Cell> Op<f32> for Forward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { sequences, weights, task_rows, places: [gates, output, extra, last], .. } = self;
        let (d, count, wide) = (sequences.d, task_rows.count(sequences.rows()), weights[0].wide());
        let [mut seen, mut carried] = [(); 2].map(|()| vec![0.0; count * d]);
        let mut sums = vec![0.0; count * C::GATES * wide];
        let start = if C::CARRIES_HIDDEN { sequences.hidden } else { sequences.cell };
        for index in 0..count {
            let number = task_rows.row(index);
            let hidden = row(sequences.hidden, number, d);
            matrix_input(simd, sequences, number, hidden, &mut seen[index * d..][..d]);
            carried[index * d..][..d].copy_from_slice(row(start, number, d));
        }
        for iteration in 0..sequences.longest() {
            let step = sequences.step_at(iteration);
            let active = task_rows.count(sequences.active_at(step));
            for panel in 0..weights[0].panels() {
                let panel = alternating(iteration, panel, weights[0].panels());
                let seen = LeftRows { first: seen.as_ptr(), apart: d };
                for (gate, weight) in weights.iter().enumerate() {
                    let apart = C::GATES * wide;
                    let to = Target { first: sums[gate * wide..].as_mut_ptr(), apart };
                    // SAFETY: `count` rows of each are there, and `active` is at most that.
                    unsafe { weight.times(simd, panel, seen, active, to) };
                }
                for index in 0..active {
                    let number = task_rows.row(index);
                    // SAFETY: within all three, which the caller holds; the row is this task's, and
                    // the three are of different places.
                    let [gates, output, extra] =
                        unsafe { [gates, output, extra].map(|place| place.row(step, number)) };
                    let sums = row(&sums, index, C::GATES * wide);
                    let carried = &mut carried[index * d..][..d];
                    let end = d.min((panel + 1) * wide);
                    for at in (panel * wide..end).step_by(S::LANES) {
                        let (mut projected, mut recurrent) =
                            ([simd.splat(0.0); 4], [simd.splat(0.0); 4]);
                        for gate in 0..C::GATES {
                            projected[gate] = load(simd, &gates[gate * d..][..d], at);
                            recurrent[gate] = load(simd, sums, gate * wide + at - panel * wide);
                            if C::CARRIES_HIDDEN {
                                let bias = load(simd, row(sequences.bias, gate, d), at);
                                recurrent[gate] = simd.add(recurrent[gate], bias);
                            }
                        }
                        let before = load(simd, carried, at);
                        let after: CellOutput<S::V> =
                            C::forward(simd, projected, recurrent, before);
                        for gate in 0..C::GATES {
                            overwrite(simd, &mut gates[gate * d..][..d], at, after.gates[gate]);
                        }
                        overwrite(simd, extra, at, after.extra);
                        overwrite(simd, output, at, after.hidden);
                        overwrite(simd, carried, at, after.carried);
                    }
                }
            }
            for index in 0..active {
                let number = task_rows.row(index);
                // SAFETY: as above.
                let hidden = unsafe { output.row(step, number) };
                matrix_input(simd, sequences, number, hidden, &mut seen[index * d..][..d]);
            }
        }
        for index in 0..count {
            let number = task_rows.row(index);
            // SAFETY: as above, of outputs and last states.
            unsafe {
                let hidden: &[f32] = match sequences.last_step(number) {
                    Some(step) => output.row(step, number),
                    None => row(sequences.hidden, number, d),
                };
                last.row(0, number).copy_from_slice(hidden);
                if !C::CARRIES_HIDDEN {
                    let cell = row(&carried, index, d);
                    last.row(1, number).copy_from_slice(cell);
                }
            }
        }
    }
}

/// What the matrix sees of a hidden state.
#[inline(always)]
fn matrix_input<S: Simd<T = f32>>(
    simd: S,
    sequences: Sequences,
    number: usize,
    hidden: &[f32],
    seen: &mut [f32],
) {
    let Some(dropout_factors) = sequences.dropout_factors else {
        seen.copy_from_slice(hidden);
        return;
    };
    let dropout_factors = row(dropout_factors, number, sequences.d);
    for at in (0..sequences.d).step_by(S::LANES) {
        let hidden = load(simd, hidden, at);
        overwrite(simd, seen, at, simd.mul(hidden, load(simd, dropout_factors, at)));
    }
}
