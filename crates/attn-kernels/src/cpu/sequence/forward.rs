//! Sequences forwards.

use super::super::fill::{load, overwrite};
use super::super::schedule::each;
use super::super::simd::{Isa, Op, Real, Simd};
use super::cell::{After, Cell, Gru, Lstm};
use super::packed::{Left, Packed, To};
use super::{Dealt, Kind, Sequences, Steps, row, to_and_fro};
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
    each(
        tasks,
        sequences.work(),
        || (),
        |(), task| {
            let dealt = Dealt { task, tasks };
            let weights = &weights;
            f32::run(isa, Forward::<C> { sequences, weights, dealt, places, cell: PhantomData });
        },
    );
    [output, extra, last]
}

struct Forward<'a, C> {
    sequences: Sequences<'a>,
    /// Of each gate.
    weights: &'a [Packed],
    dealt: Dealt,
    /// Gates, outputs, what is kept beside, last states.
    places: [Steps; 4],
    cell: PhantomData<C>,
}

impl<C: Cell> Op<f32> for Forward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { sequences, weights, dealt, places: [gates, output, extra, last], .. } = self;
        let (d, count, wide) = (sequences.d, dealt.of(sequences.rows()), weights[0].wide());
        let [mut seen, mut carried] = [(); 2].map(|()| vec![0.0; count * d]);
        let mut sums = vec![0.0; count * C::GATES * wide];
        let start = if C::CARRIES_HIDDEN { sequences.hidden } else { sequences.cell };
        for index in 0..count {
            let number = dealt.row(index);
            let hidden = row(sequences.hidden, number, d);
            see(simd, sequences, number, hidden, &mut seen[index * d..][..d]);
            carried[index * d..][..d].copy_from_slice(row(start, number, d));
        }
        for turn in 0..sequences.longest() {
            let step = sequences.step_at(turn);
            let live = dealt.of(sequences.live_at(step));
            for panel in 0..weights[0].panels() {
                let panel = to_and_fro(turn, panel, weights[0].panels());
                let seen = Left { first: seen.as_ptr(), apart: d };
                for (gate, weight) in weights.iter().enumerate() {
                    let apart = C::GATES * wide;
                    let to = To { first: sums[gate * wide..].as_mut_ptr(), apart };
                    // SAFETY: `count` rows of each are there, and `live` is at most that.
                    unsafe { weight.times(simd, panel, seen, live, to) };
                }
                for index in 0..live {
                    let number = dealt.row(index);
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
                        let after: After<S::V> = C::forward(simd, projected, recurrent, before);
                        for gate in 0..C::GATES {
                            overwrite(simd, &mut gates[gate * d..][..d], at, after.gates[gate]);
                        }
                        overwrite(simd, extra, at, after.extra);
                        overwrite(simd, output, at, after.hidden);
                        overwrite(simd, carried, at, after.carried);
                    }
                }
            }
            for index in 0..live {
                let number = dealt.row(index);
                // SAFETY: as above.
                let hidden = unsafe { output.row(step, number) };
                see(simd, sequences, number, hidden, &mut seen[index * d..][..d]);
            }
        }
        for index in 0..count {
            let number = dealt.row(index);
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
fn see<S: Simd<T = f32>>(
    simd: S,
    sequences: Sequences,
    number: usize,
    hidden: &[f32],
    seen: &mut [f32],
) {
    let Some(kept) = sequences.kept else {
        seen.copy_from_slice(hidden);
        return;
    };
    let kept = row(kept, number, sequences.d);
    for at in (0..sequences.d).step_by(S::LANES) {
        let hidden = load(simd, hidden, at);
        overwrite(simd, seen, at, simd.mul(hidden, load(simd, kept, at)));
    }
}
