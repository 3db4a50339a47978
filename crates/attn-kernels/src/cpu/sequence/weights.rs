//! Gradients of the matrix of the state and its bias: of all steps at once.

use super::super::linear::{Addend, product, product_into, sum_rows};
use super::super::matrix::Matrix;
use super::super::simd::Isa;
use super::{Kind, Sequences, row};
use std::borrow::Cow;

/// The gradient of the weight, `[d, gates · d]`, given the output and what
/// [`backward`](super::backward) made of gates and extra.
///
/// A row's state at a step is its output at the step before, so that the outputs are one matrix and
/// the gradients, a step further, the other; what the first steps saw is added.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn of_weight(
    sequences: Sequences,
    output: &[f32],
    gates: &[f32],
    extra: &[f32],
) -> Vec<f32> {
    let Sequences { kind, d, .. } = sequences;
    let width = kind.gates() * d;
    let first = First::of(sequences);
    let states = [first.states(sequences), later_states(sequences, output)];
    let of = |gradients: &[f32], width: usize, columns: usize| {
        let first = first.gradients(gradients, width);
        let later = later_gradients(sequences, gradients, width);
        let [first, later] = [&first, later]
            .map(|data| Matrix::new(data, [data.len() / width, columns], [width, 1]));
        let [of_first, of_later] = states.each_ref().map(|x| Matrix::row_major(x, d).transposed());
        let mut sum = product(of_later, later, None);
        product_into(of_first, first, Addend::Previous, &mut sum);
        sum
    };
    match kind {
        Kind::Lstm => of(gates, width, width),
        Kind::Gru => {
            let (of_both, of_new) = (of(gates, width, 2 * d), of(extra, d, d));
            let mut joined = Vec::with_capacity(d * width);
            for (both, new) in of_both.chunks_exact(2 * d).zip(of_new.chunks_exact(d)) {
                joined.extend_from_slice(both);
                joined.extend_from_slice(new);
            }
            joined
        }
    }
}

/// The gradient of the bias of a GRU, `[3 · d]`.
pub(crate) fn of_bias(isa: Isa, sequences: Sequences, gates: &[f32], extra: &[f32]) -> Vec<f32> {
    let d = sequences.d;
    let mut of_bias = sum_rows(isa, gates, 3 * d);
    of_bias[2 * d..].copy_from_slice(&sum_rows(isa, extra, d));
    of_bias
}

/// The first steps of all rows that have one.
struct First {
    /// By row: where in `[steps, rows]`.
    places: Vec<usize>,
}

impl First {
    fn of(sequences: Sequences) -> Self {
        let rows = sequences.rows();
        let first = |(row, &length): (usize, &usize)| {
            let step = if sequences.reverse { length - 1 } else { 0 };
            step * rows + row
        };
        let active = &sequences.lengths[..sequences.active_at(0)];
        Self { places: active.iter().enumerate().map(first).collect() }
    }

    /// What their matrices saw.
    fn states<'a>(&self, sequences: Sequences<'a>) -> Cow<'a, [f32]> {
        seen(sequences, &sequences.hidden[..self.places.len() * sequences.d])
    }

    fn gradients(&self, of: &[f32], width: usize) -> Vec<f32> {
        self.places.iter().flat_map(|&place| row(of, place, width)).copied().collect()
    }
}

/// What the matrices saw at all steps but the first, and rows of zeros.
fn later_states<'a>(sequences: Sequences, output: &'a [f32]) -> Cow<'a, [f32]> {
    let step = sequences.rows() * sequences.d;
    let longest = sequences.longest();
    let steps = if sequences.reverse { 1.min(longest)..longest } else { 0..longest.max(1) - 1 };
    seen(sequences, &output[steps.start * step..steps.end * step])
}

/// The gradients at the same steps.
fn later_gradients<'a>(sequences: Sequences, of: &'a [f32], width: usize) -> &'a [f32] {
    let step = sequences.rows() * width;
    let longest = sequences.longest();
    let steps = if sequences.reverse { 0..longest.max(1) - 1 } else { 1.min(longest)..longest };
    &of[steps.start * step..steps.end * step]
}

/// What dropout leaves of states, from the first row on.
fn seen<'a>(sequences: Sequences, states: &'a [f32]) -> Cow<'a, [f32]> {
    let Some(dropout_factors) = sequences.dropout_factors else { return Cow::Borrowed(states) };
    let mut seen = states.to_vec();
    for rows in seen.chunks_mut(dropout_factors.len()) {
        rows.iter_mut().zip(dropout_factors).for_each(|(x, dropout_factors)| *x *= dropout_factors);
    }
    Cow::Owned(seen)
}
