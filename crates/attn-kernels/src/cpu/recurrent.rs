//! Steps of recurrent cells, forwards and backwards.

use super::activation::sigmoid_and_rest;
use super::chunks::{Uninit, fill_chunks, load, store};
use super::simd::{Isa, Op, Real, Simd};

/// Numbers of a task: of what it reads, about what fits the first-level cache.
const CHUNK: usize = 4096;

/// What a step reads, row by row: the gates' shares of the input and of the state, and the part of
/// the state, of `d` numbers, that it carries over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) projected: &'a [f32],
    pub(crate) recurrent: &'a [f32],
    pub(crate) carried: &'a [f32],
    pub(crate) d: usize,
}

impl<'a> Step<'a> {
    fn rows(&self) -> usize {
        self.carried.len() / self.d
    }

    /// Rows of a task.
    fn chunk(&self) -> usize {
        (CHUNK / (4 * self.d)).max(1)
    }

    /// The rows of task `index`.
    fn part(self, index: usize, gates: usize) -> Self {
        let (first, end) = (index * self.chunk(), self.rows().min((index + 1) * self.chunk()));
        let of = |slice: &'a [f32], width: usize| &slice[first * width..end * width];
        Self {
            projected: of(self.projected, gates * self.d),
            recurrent: of(self.recurrent, gates * self.d),
            carried: of(self.carried, self.d),
            d: self.d,
        }
    }

    #[track_caller]
    fn check(&self, gates: usize) {
        let gates = gates * self.carried.len();
        assert!(
            self.projected.len() == gates && self.recurrent.len() == gates,
            "gates of another number of rows"
        );
    }
}

/// The hidden state and the memory cell behind a step of an LSTM, side by side: `[rows, 2 d]`.
pub(crate) fn lstm_forward(isa: Isa, step: Step) -> Vec<f32> {
    step.check(4);
    let (rows, d, chunk) = (step.rows(), step.d, step.chunk());
    // SAFETY: a chunk writes all of its rows.
    let [output] = unsafe {
        fill_chunks([rows * 2 * d], [chunk * 2 * d], 40 * rows * d, |index, [to]| {
            f32::run(isa, LstmForward { step: step.part(index, 4), to });
        })
    };
    output
}

/// Gradients of the gates, `[rows, 4 d]`, and of the memory cell, `[rows, d]`, given that of
/// [`lstm_forward`]'s result.
pub(crate) fn lstm_backward(isa: Isa, step: Step, gradient: &[f32]) -> [Vec<f32>; 2] {
    step.check(4);
    let (rows, d, chunk) = (step.rows(), step.d, step.chunk());
    assert_eq!(gradient.len(), rows * 2 * d, "the gradient of another number of rows");
    // SAFETY: a chunk writes all of its rows.
    unsafe {
        fill_chunks(
            [rows * 4 * d, rows * d],
            [chunk * 4 * d, chunk * d],
            60 * rows * d,
            |index, to| {
                let step = step.part(index, 4);
                let gradient = &gradient[index * chunk * 2 * d..][..step.rows() * 2 * d];
                f32::run(isa, LstmBackward { step, gradient, to });
            },
        )
    }
}

/// The hidden state behind a step of a GRU, `[rows, d]`.
pub(crate) fn gru_forward(isa: Isa, step: Step) -> Vec<f32> {
    step.check(3);
    let (rows, d, chunk) = (step.rows(), step.d, step.chunk());
    // SAFETY: a chunk writes all of its rows.
    let [output] = unsafe {
        fill_chunks([rows * d], [chunk * d], 40 * rows * d, |index, [to]| {
            f32::run(isa, GruForward { step: step.part(index, 3), to });
        })
    };
    output
}

/// Gradients of the gates' shares of input and state, `[rows, 3 d]` each, and of the state that is
/// carried over, `[rows, d]`, given that of [`gru_forward`]'s result.
pub(crate) fn gru_backward(isa: Isa, step: Step, gradient: &[f32]) -> [Vec<f32>; 3] {
    step.check(3);
    let (rows, d, chunk) = (step.rows(), step.d, step.chunk());
    assert_eq!(gradient.len(), rows * d, "the gradient of another number of rows");
    let gates = 3 * d;
    // SAFETY: a chunk writes all of its rows.
    unsafe {
        fill_chunks(
            [rows * gates, rows * gates, rows * d],
            [chunk * gates, chunk * gates, chunk * d],
            60 * rows * d,
            |index, to| {
                let step = step.part(index, 3);
                let gradient = &gradient[index * chunk * d..][..step.rows() * d];
                f32::run(isa, GruBackward { step, gradient, to });
            },
        )
    }
}

/// `x (1 - x)` of a logistic function and what it lacks to 1.
#[inline(always)]
fn slope<S: Simd<T = f32>>(simd: S, [x, rest]: [S::V; 2]) -> S::V {
    simd.mul(x, rest)
}

/// `1 - x²`, of a tanh.
#[inline(always)]
pub(super) fn tanh_slope<S: Simd<T = f32>>(simd: S, x: S::V) -> S::V {
    simd.sub(simd.splat(1.0), simd.mul(x, x))
}

/// A gate's share at `at` of a row: elements `gate · d + at` of one of `gates` of them.
#[inline(always)]
fn share<S: Simd<T = f32>>(
    simd: S,
    (shares, gates): (&[f32], usize),
    d: usize,
    (row, gate, at): (usize, usize, usize),
) -> S::V {
    load(simd, &shares[(row * gates + gate) * d..][..d], at)
}

/// The parts of a step of an LSTM at `at` of a row.
struct Lstm<V> {
    /// A logistic function of each gate, and what it lacks to 1.
    input: [V; 2],
    forget: [V; 2],
    output: [V; 2],
    candidate: V,
    before: V,
    cell: V,
    shown: V,
}

#[inline(always)]
fn lstm<S: Simd<T = f32>>(simd: S, step: Step, row: usize, at: usize) -> Lstm<S::V> {
    let Step { projected, recurrent, carried, d } = step;
    let mut sums = [simd.splat(0.0); 4];
    for (gate, sum) in sums.iter_mut().enumerate() {
        let place = (row, gate, at);
        let projected = share(simd, (projected, 4), d, place);
        *sum = simd.add(projected, share(simd, (recurrent, 4), d, place));
    }
    let [i, f, g, o] = sums;
    let input = sigmoid_and_rest(simd, i);
    let forget = sigmoid_and_rest(simd, f);
    let output = sigmoid_and_rest(simd, o);
    let candidate = simd.tanh(g);
    let before = load(simd, &carried[row * d..][..d], at);
    let cell = simd.fma(forget[0], before, simd.mul(input[0], candidate));
    Lstm { input, forget, output, candidate, before, cell, shown: simd.tanh(cell) }
}

/// The parts of a step of a GRU at `at` of a row.
struct Gru<V> {
    reset: [V; 2],
    update: [V; 2],
    /// The new gate's share of the state.
    recurrent: V,
    new: V,
    before: V,
}

#[inline(always)]
fn gru<S: Simd<T = f32>>(simd: S, step: Step, row: usize, at: usize) -> Gru<S::V> {
    let Step { projected, recurrent, carried, d } = step;
    let mut shares = [[simd.splat(0.0); 2]; 3];
    for (gate, shares) in shares.iter_mut().enumerate() {
        let place = (row, gate, at);
        shares[0] = share(simd, (projected, 3), d, place);
        shares[1] = share(simd, (recurrent, 3), d, place);
    }
    let reset = sigmoid_and_rest(simd, simd.add(shares[0][0], shares[0][1]));
    let update = sigmoid_and_rest(simd, simd.add(shares[1][0], shares[1][1]));
    let recurrent = shares[2][1];
    let new = simd.tanh(simd.fma(reset[0], recurrent, shares[2][0]));
    Gru { reset, update, recurrent, new, before: load(simd, &carried[row * d..][..d], at) }
}

// Loops in place of iterators below: what an iterator calls may not be inlined, and then it is not
// compiled for the instruction set.

struct LstmForward<'a> {
    step: Step<'a>,
    to: &'a mut Uninit,
}

impl Op<f32> for LstmForward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { step, to } = self;
        let d = step.d;
        for row in 0..step.rows() {
            let (to_hidden, to_cell) = to[row * 2 * d..][..2 * d].split_at_mut(d);
            for at in (0..d).step_by(S::LANES) {
                let Lstm { output, cell, shown, .. } = lstm(simd, step, row, at);
                store(simd, to_hidden, at, simd.mul(output[0], shown));
                store(simd, to_cell, at, cell);
            }
        }
    }
}

struct LstmBackward<'a> {
    step: Step<'a>,
    gradient: &'a [f32],
    /// Of the gates, of the memory cell.
    to: [&'a mut Uninit; 2],
}

impl Op<f32> for LstmBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { step, gradient, to: [to_gates, to_cell] } = self;
        let d = step.d;
        for row in 0..step.rows() {
            let (d_hidden, d_after) = gradient[row * 2 * d..][..2 * d].split_at(d);
            for at in (0..d).step_by(S::LANES) {
                let Lstm { input, forget, output, candidate, before, shown, .. } =
                    lstm(simd, step, row, at);
                let d_hidden = load(simd, d_hidden, at);
                let through = simd.mul(simd.mul(d_hidden, output[0]), tanh_slope(simd, shown));
                let d_cell = simd.add(load(simd, d_after, at), through);
                let gates = [
                    simd.mul(simd.mul(d_cell, candidate), slope(simd, input)),
                    simd.mul(simd.mul(d_cell, before), slope(simd, forget)),
                    simd.mul(simd.mul(d_cell, input[0]), tanh_slope(simd, candidate)),
                    simd.mul(simd.mul(d_hidden, shown), slope(simd, output)),
                ];
                for (gate, value) in gates.into_iter().enumerate() {
                    store(simd, &mut to_gates[(row * 4 + gate) * d..][..d], at, value);
                }
                store(simd, &mut to_cell[row * d..][..d], at, simd.mul(d_cell, forget[0]));
            }
        }
    }
}

struct GruForward<'a> {
    step: Step<'a>,
    to: &'a mut Uninit,
}

impl Op<f32> for GruForward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { step, to } = self;
        let d = step.d;
        for row in 0..step.rows() {
            for at in (0..d).step_by(S::LANES) {
                let Gru { update, new, before, .. } = gru(simd, step, row, at);
                let after = simd.fma(update[0], simd.sub(before, new), new);
                store(simd, &mut to[row * d..][..d], at, after);
            }
        }
    }
}

struct GruBackward<'a> {
    step: Step<'a>,
    gradient: &'a [f32],
    /// Of the gates' shares of input and state, of the state carried over.
    to: [&'a mut Uninit; 3],
}

impl Op<f32> for GruBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { step, gradient, to: [to_projected, to_recurrent, to_carried] } = self;
        let d = step.d;
        for row in 0..step.rows() {
            for at in (0..d).step_by(S::LANES) {
                let Gru { reset, update, recurrent, new, before } = gru(simd, step, row, at);
                let gradient = load(simd, &gradient[row * d..][..d], at);
                let d_new = simd.mul(simd.mul(gradient, update[1]), tanh_slope(simd, new));
                let d_update =
                    simd.mul(simd.mul(gradient, simd.sub(before, new)), slope(simd, update));
                let d_reset = simd.mul(simd.mul(d_new, recurrent), slope(simd, reset));
                let of_state = simd.mul(d_new, reset[0]);
                for (gate, value) in [d_reset, d_update, d_new].into_iter().enumerate() {
                    store(simd, &mut to_projected[(row * 3 + gate) * d..][..d], at, value);
                }
                for (gate, value) in [d_reset, d_update, of_state].into_iter().enumerate() {
                    store(simd, &mut to_recurrent[(row * 3 + gate) * d..][..d], at, value);
                }
                store(simd, &mut to_carried[row * d..][..d], at, simd.mul(gradient, update[0]));
            }
        }
    }
}
