//! Sequences backwards.

use super::super::chunks::{load, overwrite};
use super::super::schedule::run_tasks;
use super::super::simd::{Isa, Op, Real, Simd};
use super::cell::{Cell, CellGradients, Gru, Lstm};
use super::packed::{LeftRows, Packed, Target};
use super::{Kind, Sequences, Steps, TaskRows, alternating, row};
use std::marker::PhantomData;

/// Numbers of a line of a cache.
const LINE: usize = 16;

/// Gradients of what sequences start from, `[rows, d]` each.
#[derive(Debug)]
pub(crate) struct Gradients {
    pub hidden: Vec<f32>,
    /// Of an LSTM; otherwise empty.
    pub cell: Vec<f32>,
    /// If they were wanted; otherwise empty.
    pub dropout_factors: Vec<f32>,
}

/// Walks back along the sequences, given what [`forward`](super::forward) made.
///
/// The activated gates become the gradients of the gates' shares of the input, 0 where there is no
/// step. Those of the shares of the state are the same in an LSTM; in a GRU that of the new gate is
/// another, and becomes what `extra` is.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn backward(
    isa: Isa,
    sequences: Sequences,
    passed: OutputGradients,
    [gates, extra]: [&mut [f32]; 2],
    wants_dropout_factors: bool,
) -> Gradients {
    match sequences.kind {
        Kind::Lstm => {
            of_cell::<Lstm>(isa, sequences, passed, [gates, extra], wants_dropout_factors)
        }
        Kind::Gru => of_cell::<Gru>(isa, sequences, passed, [gates, extra], wants_dropout_factors),
    }
}

/// The hidden states of all steps, and the gradients of these and of the last states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputGradients<'a> {
    pub output: &'a [f32],
    pub gradient: &'a [f32],
    pub last: &'a [f32],
}

fn of_cell<C: Cell>(
    isa: Isa,
    sequences: Sequences,
    passed: OutputGradients,
    [gates, extra]: [&mut [f32]; 2],
    wants_dropout_factors: bool,
) -> Gradients {
    sequences.check();
    let (rows, d, width) = (sequences.rows(), sequences.d, C::GATES * sequences.d);
    assert_eq!(gates.len(), sequences.gates(), "gates of another shape");
    assert_eq!(extra.len(), sequences.hiddens(), "cells of another shape");
    let OutputGradients { output, gradient, last } = passed;
    assert_eq!(
        [output.len(), gradient.len(), last.len()],
        [sequences.hiddens(), sequences.hiddens(), sequences.lasts()],
        "outputs, their gradient, or that of the last states, of another shape"
    );
    let mut gradients = Gradients {
        hidden: vec![0.0; rows * d],
        cell: vec![0.0; if C::CARRIES_HIDDEN { 0 } else { rows * d }],
        dropout_factors: vec![0.0; if wants_dropout_factors { rows * d } else { 0 }],
    };
    let weight = Packed::new(isa, sequences.weight, [width, d], [1, width]);
    let tasks = sequences.tasks();
    let places = [Steps::new(gates, rows, width), Steps::new(extra, rows, d)];
    let Gradients { hidden, cell, dropout_factors } = &mut gradients;
    let starts =
        [hidden, cell, dropout_factors].map(|of| (!of.is_empty(), Steps::new(of, rows, d)));
    let starts = starts.map(|(wanted, place)| wanted.then_some(place));
    run_tasks(
        tasks,
        sequences.work(),
        || (),
        |(), task| {
            let task_rows = TaskRows { task, tasks };
            let (weight, cell) = (&weight, PhantomData);
            f32::run(
                isa,
                Backward::<C> { sequences, passed, weight, task_rows, places, starts, cell },
            );
        },
    );
    gradients
}

struct Backward<'a, C> {
    sequences: Sequences<'a>,
    passed: OutputGradients<'a>,
    /// Transposed: `[gates · d, d]`.
    weight: &'a Packed,
    task_rows: TaskRows,
    /// Gates, and what the forward pass kept beside them.
    places: [Steps; 2],
    /// Where the gradients of the first hidden state, of the first memory cell and of the factors go.
    starts: [Option<Steps>; 3],
    cell: PhantomData<C>,
}

impl<C: Cell> Op<f32> for Backward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { sequences, passed, weight, task_rows, places: [gates, extra], .. } = self;
        let Sequences { d, steps, .. } = sequences;
        let (rows, wide) = (sequences.rows(), weight.panels() * weight.wide());
        let count = task_rows.count(rows);
        // Of the hidden state before and of what is carried; 0 behind the last unit.
        let mut d_hidden = vec![0.0; count * wide];
        let mut d_carried = vec![0.0; count * d];
        // What the matrix is multiplied with. Rows a power of two apart would share the same few
        // places of the first-level cache.
        let apart = C::GATES * d + LINE;
        let mut d_gates = vec![0.0; count * apart];
        for index in 0..count {
            let number = task_rows.row(index);
            let last = |state: usize| row(passed.last, state * rows + number, d);
            d_hidden[index * wide..][..d].copy_from_slice(last(0));
            if !C::CARRIES_HIDDEN {
                d_carried[index * d..][..d].copy_from_slice(last(1));
            }
        }
        for step in sequences.longest()..steps {
            clear(gates, step, task_rows, 0..count);
        }
        for iteration in (0..sequences.longest()).rev() {
            let step = sequences.step_at(iteration);
            let active = task_rows.count(sequences.active_at(step));
            clear(gates, step, task_rows, active..count);
            for index in 0..active {
                let number = task_rows.row(index);
                let earlier = sequences.step_before(step, number);
                // SAFETY: within both, which the caller holds; the row is this task's, and the three
                // are of different places or steps.
                let (gates, extra, before) = unsafe {
                    let before: &[f32] = match (earlier, C::CARRIES_HIDDEN) {
                        (Some(earlier), true) => row(passed.output, earlier * rows + number, d),
                        (Some(earlier), false) => extra.row(earlier, number),
                        (None, true) => row(sequences.hidden, number, d),
                        (None, false) => row(sequences.cell, number, d),
                    };
                    (gates.row(step, number), extra.row(step, number), before)
                };
                let gradient = row(passed.gradient, step * rows + number, d);
                let d_hidden = &d_hidden[index * wide..][..wide];
                let d_gates = &mut d_gates[index * apart..][..C::GATES * d];
                let d_carried = &mut d_carried[index * d..][..d];
                for at in (0..d).step_by(S::LANES) {
                    let mut activated = [simd.splat(0.0); 4];
                    for gate in 0..C::GATES {
                        activated[gate] = load(simd, &gates[gate * d..][..d], at);
                    }
                    let d_hidden = simd.add(load(simd, gradient, at), load(simd, d_hidden, at));
                    let [beside, before, carried] =
                        [&*extra, before, &*d_carried].map(|of| load(simd, of, at));
                    let of: CellGradients<S::V> =
                        C::backward(simd, activated, beside, before, d_hidden, carried);
                    for gate in 0..C::GATES {
                        overwrite(simd, &mut gates[gate * d..][..d], at, of.gates[gate]);
                        overwrite(simd, &mut d_gates[gate * d..][..d], at, of.gates[gate]);
                    }
                    if let Some(of_state) = of.extra {
                        overwrite(simd, extra, at, of_state);
                        overwrite(simd, &mut d_gates[(C::GATES - 1) * d..], at, of_state);
                    }
                    overwrite(simd, d_carried, at, of.carried);
                }
            }
            for panel in 0..weight.panels() {
                let panel = alternating(iteration, panel, weight.panels());
                let first = d_hidden[panel * weight.wide()..].as_mut_ptr();
                let to = Target { first, apart: wide };
                let left = LeftRows { first: d_gates.as_ptr(), apart };
                // SAFETY: `count` rows of both are there, and `active` is at most that; panels are side
                // by side in a row of `d_hidden`.
                unsafe { weight.times(simd, panel, left, active, to) };
            }
            self.through_dropout(simd, step, active, &mut d_hidden, &d_carried);
        }
        for index in 0..count {
            let number = task_rows.row(index);
            // SAFETY: `rows` rows of each are there, of which this one is the task's.
            unsafe {
                if let Some(hidden) = self.starts[0] {
                    hidden.row(0, number).copy_from_slice(&d_hidden[index * wide..][..d]);
                }
                if let Some(cell) = self.starts[1] {
                    cell.row(0, number).copy_from_slice(&d_carried[index * d..][..d]);
                }
            }
        }
    }
}

impl<C: Cell> Backward<'_, C> {
    /// From the gradient of what the matrix saw of a state to that of the state.
    #[inline(always)]
    fn through_dropout<S: Simd<T = f32>>(
        &self,
        simd: S,
        step: usize,
        active: usize,
        d_hidden: &mut [f32],
        d_carried: &[f32],
    ) {
        let Self { sequences, passed, task_rows, starts: [.., of_dropout_factors], .. } = *self;
        if !C::CARRIES_HIDDEN && sequences.dropout_factors.is_none() {
            return;
        }
        let (d, rows) = (sequences.d, sequences.rows());
        let wide = self.weight.panels() * self.weight.wide();
        for index in 0..active {
            let number = task_rows.row(index);
            let hidden = match sequences.step_before(step, number) {
                Some(earlier) => row(passed.output, earlier * rows + number, d),
                None => row(sequences.hidden, number, d),
            };
            let d_hidden = &mut d_hidden[index * wide..][..d];
            // SAFETY: there are as many rows, of which this one is the task's.
            let mut of_dropout_factors = unsafe {
                of_dropout_factors.map(|of_dropout_factors| of_dropout_factors.row(0, number))
            };
            for at in (0..d).step_by(S::LANES) {
                let mut of_state = load(simd, d_hidden, at);
                if let Some(dropout_factors) = sequences.dropout_factors {
                    if let Some(of_dropout_factors) = &mut of_dropout_factors {
                        let sum = load(simd, of_dropout_factors, at);
                        let sum = simd.fma(of_state, load(simd, hidden, at), sum);
                        overwrite(simd, of_dropout_factors, at, sum);
                    }
                    of_state = simd.mul(of_state, load(simd, row(dropout_factors, number, d), at));
                }
                if C::CARRIES_HIDDEN {
                    of_state = simd.add(of_state, load(simd, row(d_carried, index, d), at));
                }
                overwrite(simd, d_hidden, at, of_state);
            }
        }
    }
}

/// Zeros for rows that do not have the step.
#[inline(always)]
fn clear(gates: Steps, step: usize, task_rows: TaskRows, rows: std::ops::Range<usize>) {
    for index in rows {
        // SAFETY: within the gates, which the caller of the task holds, and a row of the task.
        unsafe { gates.row(step, task_rows.row(index)).fill(0.0) };
    }
}
