//! A row of products becomes weights and gradients of logits.

use super::super::cells::{CELL, Cells};
use super::super::problem::Shape;
use super::super::scores::RowDropout;
use super::super::simd::{Real, Simd};
use super::task::Task;
use super::{CELLS, ROW};
use crate::parameters::Tile;
use std::ops::Range;

impl<T: Real> Task<'_, '_, T> {
    /// Turns the products of query `i`, in row `r` of the tiles, into weights and gradients of
    /// logits; `k` is the query's row among the cells.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn logits<S: Simd<T = T>>(
        &mut self,
        simd: S,
        h: usize,
        i: usize,
        r: usize,
        k: usize,
        cells: &Cells<CELLS>,
        key: usize,
    ) {
        let Shape { heads, queries, keys, .. } = self.pass.shape;
        let b = self.head[0];
        let scores = &self.pass.scores;
        let row = (b * heads + h) * queries + i;
        let [lse, remainder] = self.pass.saved.log_sum_exp(row);
        // Of a query that sees nothing, this makes all weights 0.
        let lse = simd.splat(if lse == T::NEG_INFINITY { T::INFINITY } else { lse });
        // Of the exponent of 2.
        let remainder = simd.splat(T::ZERO - remainder * T::LOG2_E);
        // SAFETY: written before, by this task or before all of them.
        let delta = simd.splat(unsafe { *self.pass.delta.at(row) });
        let zero = simd.splat(T::ZERO);
        let dropout = self.pass.problem.options.dropout.as_ref();
        let keeps = dropout.map(|mask| {
            (RowDropout::new(mask, row as u64), simd.splat(T::from_f64(mask.kept_factor())))
        });
        let log2_e = simd.splat(T::LOG2_E);
        // SAFETY: the row is of this query.
        let (bias, grad_bias) = unsafe { (scores.bias_row(b, h, i), self.grad_bias_row(b, h, i)) };
        let grad_bias = grad_bias.filter(|_| self.part.of_keys);
        let weights = self.scratch.weights[r * ROW..(r + 1) * ROW].as_mut_ptr();
        let logits = self.scratch.logits[r * ROW..(r + 1) * ROW].as_mut_ptr();

        // Of the panels that were computed, what lies outside of the span is not a weight.
        let panel = 2 * S::LANES;
        let Range { start, end } = cells.span;
        let before = start - start % panel..start;
        let behind = end.next_multiple_of(S::LANES)..end.next_multiple_of(panel);
        for j in before.step_by(S::LANES).chain(behind.step_by(S::LANES)) {
            // SAFETY: vectors of the rows, which have room for whole panels.
            unsafe {
                simd.store(weights.add(j), zero);
                simd.store(logits.add(j), zero);
            }
        }
        for (cell, tile) in cells.tiles.iter().enumerate() {
            let first = (cell * CELL).max(cells.span.start);
            let end = cells.span.end.min((cell + 1) * CELL);
            if *tile == Tile::Empty {
                continue;
            }
            for j in (first..end).step_by(S::LANES) {
                // SAFETY: vectors of the rows, which have room for the last one of a block; the bias
                // has the keys.
                unsafe {
                    let product = simd.load(weights.add(j));
                    let mut gradient = simd.load(logits.add(j));
                    let (score, slope) = scores.of_products(simd, product, bias, key + j, keys);
                    let weight = simd.exp2(simd.fma(simd.sub(score, lse), log2_e, remainder));
                    let mut kept = weight;
                    if let Some((keeps, factor)) = keeps {
                        let keeps = keeps.at(simd, (key + j) as u32);
                        kept = simd.select(keeps, simd.mul(weight, factor), zero);
                        gradient = simd.select(keeps, simd.mul(gradient, factor), zero);
                    }
                    let mut gradient = simd.mul(weight, simd.sub(gradient, delta));
                    if *tile == Tile::Partial {
                        let seen = simd.mask(cells.bits[cell][k] >> (j % CELL));
                        kept = simd.select(seen, kept, zero);
                        gradient = simd.select(seen, gradient, zero);
                    }
                    simd.store(weights.add(j), kept);
                    if let Some(to) = grad_bias {
                        to.add(simd, gradient, key + j, keys);
                    }
                    if let Some(slope) = slope {
                        gradient = simd.mul(gradient, slope);
                    }
                    simd.store(logits.add(j), gradient);
                }
            }
        }
    }

    /// # Safety
    /// The indices must be within the shape.
    #[inline(always)]
    unsafe fn grad_bias_row(&self, b: usize, h: usize, i: usize) -> Option<GradRow<T>> {
        let bias = self.pass.problem.bias?;
        // SAFETY: within the gradient, which has the shape of the bias.
        let start = unsafe { self.pass.bias?.at(bias.own_index([b, h, i, 0])) };
        Some(GradRow {
            start,
            broadcast: bias.shape[3] == 1 && !self.pass.once,
            once: self.pass.once,
        })
    }
}

/// A row of the bias's gradient.
#[derive(Clone, Copy)]
struct GradRow<T> {
    start: *mut T,
    /// One number for all keys.
    broadcast: bool,
    /// Nothing is there yet, and nothing will be added.
    once: bool,
}

impl<T: Real> GradRow<T> {
    /// Adds gradients of keys `key` and on, up to `keys`; or writes them.
    ///
    /// # Safety
    /// The row has `keys` numbers, or one if it is broadcast, which no other thread may touch.
    #[inline(always)]
    unsafe fn add<S: Simd<T = T>>(self, simd: S, gradient: S::V, key: usize, keys: usize) {
        // SAFETY: the caller's promise; nothing behind the row is touched.
        unsafe {
            if self.broadcast {
                // What is behind the keys is hidden, and 0.
                *self.start += simd.sum(gradient);
            } else if key + S::LANES <= keys {
                let to = self.start.add(key);
                let sum = if self.once { gradient } else { simd.add(simd.load(to), gradient) };
                simd.store(to, sum);
            } else {
                let mut lanes = [T::ZERO; 16];
                simd.store(lanes.as_mut_ptr(), gradient);
                for (k, lane) in lanes.into_iter().enumerate().take(keys - key) {
                    let to = self.start.add(key + k);
                    to.write(if self.once { lane } else { *to + lane });
                }
            }
        }
    }
}
