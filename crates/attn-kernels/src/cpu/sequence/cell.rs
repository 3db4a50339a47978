//! What a step does to a vector of units, behind its matrices.

use super::super::activation::sigmoid_and_rest;
use super::super::recurrent::tanh_slope;
use super::super::simd::Simd;

/// A recurrent cell. Of four gates it may have three: then the last means nothing.
pub(super) trait Cell: Copy + Send + Sync + 'static {
    const GATES: usize;

    /// Whether what a row carries from step to step is its hidden state, and not a memory of its own.
    const CARRIES_HIDDEN: bool;

    /// A step, given the gates' shares of input and state and what is carried.
    fn forward<S: Simd<T = f32>>(
        simd: S,
        projected: [S::V; 4],
        recurrent: [S::V; 4],
        carried: S::V,
    ) -> CellOutput<S::V>;

    /// The gradients of a step, given what [`forward`](Self::forward) left, what was carried before,
    /// and the gradients of the hidden state and, if it is another, of what is carried.
    fn backward<S: Simd<T = f32>>(
        simd: S,
        gates: [S::V; 4],
        extra: S::V,
        before: S::V,
        d_hidden: S::V,
        d_carried: S::V,
    ) -> CellGradients<S::V>;
}

/// The results of a step.
pub(super) struct CellOutput<V> {
    /// Activated.
    pub gates: [V; 4],
    /// The memory cell of an LSTM; of a GRU, the new gate's share of the state.
    pub extra: V,
    pub hidden: V,
    pub carried: V,
}

/// The gradients before a step.
pub(super) struct CellGradients<V> {
    /// Of the gates' shares of the input.
    pub gates: [V; 4],
    /// Of the new gate's share of the state, in a GRU; otherwise the shares of the state have the
    /// gradients of those of the input.
    pub extra: Option<V>,
    /// Of what is carried, without the part that comes through the matrix.
    pub carried: V,
}

/// Long short-term memory, of the gates `i f g o`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const CARRIES_HIDDEN: bool = false;

    #[inline(always)]
    fn forward<S: Simd<T = f32>>(
        simd: S,
        projected: [S::V; 4],
        recurrent: [S::V; 4],
        carried: S::V,
    ) -> CellOutput<S::V> {
        let [input, _] = sigmoid_and_rest(simd, simd.add(projected[0], recurrent[0]));
        let [forget, _] = sigmoid_and_rest(simd, simd.add(projected[1], recurrent[1]));
        let candidate = simd.tanh(simd.add(projected[2], recurrent[2]));
        let [output, _] = sigmoid_and_rest(simd, simd.add(projected[3], recurrent[3]));
        let cell = simd.fma(forget, carried, simd.mul(input, candidate));
        let hidden = simd.mul(output, simd.tanh(cell));
        CellOutput { gates: [input, forget, candidate, output], extra: cell, hidden, carried: cell }
    }

    #[inline(always)]
    fn backward<S: Simd<T = f32>>(
        simd: S,
        [input, forget, candidate, output]: [S::V; 4],
        cell: S::V,
        before: S::V,
        d_hidden: S::V,
        d_carried: S::V,
    ) -> CellGradients<S::V> {
        let shown = simd.tanh(cell);
        let through = simd.mul(simd.mul(d_hidden, output), tanh_slope(simd, shown));
        let d_cell = simd.add(d_carried, through);
        let gates = [
            simd.mul(simd.mul(d_cell, candidate), slope(simd, input)),
            simd.mul(simd.mul(d_cell, before), slope(simd, forget)),
            simd.mul(simd.mul(d_cell, input), tanh_slope(simd, candidate)),
            simd.mul(simd.mul(d_hidden, shown), slope(simd, output)),
        ];
        CellGradients { gates, extra: None, carried: simd.mul(d_cell, forget) }
    }
}

/// Gated recurrent unit, of the gates `r z n`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const CARRIES_HIDDEN: bool = true;

    #[inline(always)]
    fn forward<S: Simd<T = f32>>(
        simd: S,
        projected: [S::V; 4],
        recurrent: [S::V; 4],
        carried: S::V,
    ) -> CellOutput<S::V> {
        let [reset, _] = sigmoid_and_rest(simd, simd.add(projected[0], recurrent[0]));
        let [update, _] = sigmoid_and_rest(simd, simd.add(projected[1], recurrent[1]));
        let new = simd.tanh(simd.fma(reset, recurrent[2], projected[2]));
        let hidden = simd.fma(update, simd.sub(carried, new), new);
        let gates = [reset, update, new, simd.splat(0.0)];
        CellOutput { gates, extra: recurrent[2], hidden, carried: hidden }
    }

    #[inline(always)]
    fn backward<S: Simd<T = f32>>(
        simd: S,
        [reset, update, new, _]: [S::V; 4],
        of_state: S::V,
        before: S::V,
        d_hidden: S::V,
        _: S::V,
    ) -> CellGradients<S::V> {
        let d_update = simd.mul(simd.mul(d_hidden, simd.sub(before, new)), slope(simd, update));
        let rest = simd.sub(simd.splat(1.0), update);
        let d_new = simd.mul(simd.mul(d_hidden, rest), tanh_slope(simd, new));
        let d_reset = simd.mul(simd.mul(d_new, of_state), slope(simd, reset));
        CellGradients {
            gates: [d_reset, d_update, d_new, simd.splat(0.0)],
            extra: Some(simd.mul(d_new, reset)),
            carried: simd.mul(d_hidden, update),
        }
    }
}

/// `x (1 - x)`, of a logistic function.
#[inline(always)]
fn slope<S: Simd<T = f32>>(simd: S, x: S::V) -> S::V {
    simd.mul(x, simd.sub(simd.splat(1.0), x))
}
