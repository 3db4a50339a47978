//! A row of products becomes weights.

use super::super::cells::{CELL, Cells};
use super::super::pack::padded;
use super::super::problem::Shape;
use super::super::scores::RowDropout;
use super::super::simd::{Real, Simd};
use super::task::Task;
use super::{CELLS, STRIP};
use crate::parameters::Tile;

impl<T: Real> Task<'_, '_, T> {
    /// Turns row `r` of the strip, products of query `i` with keys from `key` on, into weights
    /// relative to the largest score so far, and brings the sums of the row up to that.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn weights<S: Simd<T = T>>(
        &mut self,
        simd: S,
        h: usize,
        i: usize,
        r: usize,
        at: usize,
        cells: &Cells<CELLS>,
        key: usize,
    ) {
        const SUMS: usize = 4;
        let Shape { heads, queries, keys, value_width, .. } = self.pass.shape;
        let scores = &self.pass.scores;
        let unit = scores.unit();
        let plain = unit.is_some();
        let span = cells.span.clone();
        let nothing = simd.splat(T::NEG_INFINITY);
        let strip = self.scratch.strip[r * STRIP..(r + 1) * STRIP].as_mut_ptr();
        // SAFETY: the row is of this query.
        let bias = unsafe { scores.bias_row(self.b, h, i) };

        // Which sum a weight is added to must not depend on the span, which is that of the whole tile:
        // the row's neighbors would decide how it rounds. So the sums begin at a multiple of all.
        let start = span.start - span.start % (SUMS * S::LANES);
        let end = span.end.next_multiple_of(SUMS * S::LANES);
        let before = start..span.start;
        let behind = span.end.next_multiple_of(S::LANES)..end;
        for j in before.step_by(S::LANES).chain(behind.step_by(S::LANES)) {
            // SAFETY: a vector of the strip's row, which has room for whole cells.
            unsafe { simd.store(strip.add(j), nothing) };
        }

        let mut largest = [nothing; SUMS];
        for (cell, tile) in cells.tiles.iter().enumerate() {
            let mut j = (cell * CELL).max(span.start);
            let end = span.end.min((cell + 1) * CELL);
            if plain && *tile == Tile::Full {
                // Several at a time, because each maximum waits for the one before.
                while j + SUMS * S::LANES <= end {
                    for (v, largest) in largest.iter_mut().enumerate() {
                        // SAFETY: a vector of the strip's row.
                        let score = unsafe { simd.load(strip.add(j + v * S::LANES)) };
                        *largest = simd.max(score, *largest);
                    }
                    j += SUMS * S::LANES;
                }
            }
            for j in (j..end).step_by(S::LANES) {
                // SAFETY: a vector of the strip's row, which has room for the last one of a block;
                // the bias has the keys.
                unsafe {
                    let to = strip.add(j);
                    let mut score = nothing;
                    if *tile != Tile::Empty {
                        score = simd.load(to);
                        if !plain {
                            (score, _) = scores.of_products(simd, score, bias, key + j, keys);
                        }
                    }
                    if *tile == Tile::Partial {
                        let seen = simd.mask(cells.bits[cell][r] >> (j % CELL));
                        score = simd.select(seen, score, nothing);
                    }
                    if !plain || *tile != Tile::Full {
                        simd.store(to, score);
                    }
                    largest[0] = simd.max(score, largest[0]);
                }
            }
        }
        let [a, b, c, d] = largest;
        let found = simd.largest(simd.max(simd.max(a, b), simd.max(c, d)));

        let before = self.scratch.largest[at];
        let now = if found > before { found } else { before };
        // Of a row that has seen nothing, all scores are -∞, and this makes their weights 0.
        let shift = if now == T::NEG_INFINITY { T::ZERO } else { now };
        let factor = unit.unwrap_or(T::ONE) * T::LOG2_E;
        let (shifts, factors) = (simd.splat(shift), simd.splat(factor));
        let keeps = self
            .pass
            .problem
            .options
            .dropout
            .as_ref()
            .map(|mask| RowDropout::new(mask, ((self.b * heads + h) * queries + i) as u64));
        let mut sums = [simd.splat(T::ZERO); SUMS];
        for j in (start..end).step_by(SUMS * S::LANES) {
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a vector of the strip's row.
                unsafe {
                    let to = strip.add(j + v * S::LANES);
                    let score = simd.sub(simd.load(to), shifts);
                    let mut weights = simd.exp2(simd.mul(score, factors));
                    *sum = simd.add(*sum, weights);
                    if let Some(keeps) = keeps {
                        let kept = keeps.at(simd, (key + j + v * S::LANES) as u32);
                        weights = simd.select(kept, weights, simd.splat(T::ZERO));
                    }
                    simd.store(to, weights);
                }
            }
        }
        let [a, b, c, d] = sums;
        let sum = simd.sum(simd.add(simd.add(a, b), simd.add(c, d)));

        let total = &mut self.scratch.totals[at];
        if before == shift {
            *total += sum;
        } else {
            let earlier = ((before - shift) * factor).exp2();
            *total = *total * earlier + sum;
            if before > T::NEG_INFINITY {
                let full = padded::<S>(value_width);
                let sums = self.scratch.sums[at * full..][..full].as_mut_ptr();
                for column in (0..full).step_by(S::LANES) {
                    // SAFETY: a vector of the row.
                    unsafe {
                        let to = sums.add(column);
                        simd.store(to, simd.mul(simd.load(to), simd.splat(earlier)));
                    }
                }
            }
            self.scratch.largest[at] = now;
        }
    }
}
