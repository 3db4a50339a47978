//! A task: its keys, block by block, and its results.

use super::super::cells::tile_class;
use super::super::pack::{all_finite, pack_panels, pack_transposed, padded, write};
use super::super::problem::Shape;
use super::super::product::next_rows;
use super::super::simd::{Op, Real, Simd};
use super::{BLOCK, Pass, STRIP};
use crate::parameters::Tile;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Rows, of all heads that share values, for which packing these would cost more than it saves.
const FEW_ROWS_OF_VALUES: usize = 48;
/// Distance of the rows of values that are read where they are: rows further apart compete for the
/// same lines of the cache, if they are a power of two apart.
const NEAR_ROWS: usize = 128;

/// What a thread computes in.
pub(super) struct Scratch<T> {
    /// Of a block, packed; empty until any are.
    pub(super) keys: Vec<T>,
    /// Likewise.
    pub(super) values: Vec<T>,
    pub(super) strip: Vec<T>,
    /// The rows of a tile that has fewer queries than rows.
    pub(super) queries: Vec<T>,
    /// Of each row of the task: sum of values by weight, largest score, sum of weights.
    pub(super) sums: Vec<T>,
    pub(super) largest: Vec<T>,
    pub(super) totals: Vec<T>,
}

impl<T: Real> Scratch<T> {
    pub(super) fn new<S: Simd<T = T>>(shape: &Shape, rows: usize) -> Self {
        let rows = shape.group * rows.min(shape.queries.next_multiple_of(S::ROWS));
        let zeros = |size| vec![T::ZERO; size];
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            strip: zeros(S::ROWS * STRIP),
            queries: zeros(S::ROWS * shape.width),
            sums: zeros(rows * padded::<S>(shape.value_width)),
            largest: zeros(rows),
            totals: zeros(rows),
        }
    }
}

/// Queries `rows` and keys `keys` of the heads that read key/value head `g` of batch row `b`.
pub(super) struct Task<'a, 'b, T> {
    pub(super) pass: &'a Pass<'a, 'b, T>,
    pub(super) b: usize,
    pub(super) g: usize,
    pub(super) rows: Range<usize>,
    pub(super) keys: Range<usize>,
    pub(super) part: usize,
    pub(super) scratch: &'a mut Scratch<T>,
}

impl<T: Real> Op<T> for Task<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(mut self, simd: S) {
        let Shape { group, keys, width, value_width, .. } = self.pass.shape;
        let (b, g, mask) = (self.b, self.g, self.pass.mask);
        let room = BLOCK.min(keys.next_multiple_of(2 * S::LANES));
        let count = self.rows.len().next_multiple_of(S::ROWS);
        let few_values = group * self.rows.len() <= FEW_ROWS_OF_VALUES;
        let near = self.pass.problem.value.strides[2] <= NEAR_ROWS;
        let in_place = (few_values || near) && value_width.is_multiple_of(S::LANES);
        self.start(group * count, padded::<S>(value_width));
        for first in self.keys.clone().step_by(BLOCK) {
            let block = first..self.keys.end.min(first + BLOCK);
            let mut packed = false;
            for of_group in 0..group {
                let h = g * group + of_group;
                let whole = tile_class(mask, [b, h], self.rows.clone(), block.clone());
                if whole == Tile::Empty {
                    continue;
                }
                if !packed {
                    // SAFETY: the rows of the block are within key and value.
                    unsafe {
                        let key = self.pass.problem.key.rows(b, g).from(first);
                        let value = self.pass.problem.value.rows(b, g).from(first);
                        if mask.is_some() && !all_finite(simd, value, block.len(), value_width) {
                            self.pass.leaks.store(true, Ordering::Relaxed);
                            return;
                        }
                        if !self.pass.shape.has_few_rows() {
                            let keys = &mut self.scratch.keys;
                            keys.resize(room * width, T::ZERO);
                            pack_transposed(simd, key, block.len(), width, keys);
                        }
                        if !in_place {
                            let values = &mut self.scratch.values;
                            values.resize(room * padded::<S>(value_width), T::ZERO);
                            pack_panels(simd, value, block.len(), value_width, values);
                        }
                    }
                    packed = true;
                }
                let mut row = 0;
                while row < self.rows.len() {
                    let left = self.rows.len() - row;
                    let tile = if self.pass.shape.has_few_rows() {
                        left.min(3)
                    } else {
                        next_rows::<S>(left)
                    };
                    self.tile(simd, h, row, tile, of_group * count, block.clone(), whole, in_place);
                    row += tile;
                }
            }
        }
        for of_group in 0..group {
            self.finish(simd, g * group + of_group, of_group * count);
        }
    }
}

impl<T: Real> Task<'_, '_, T> {
    fn start(&mut self, rows: usize, width: usize) {
        let Shape { group, .. } = self.pass.shape;
        self.scratch.sums[..rows * width].fill(T::ZERO);
        for of_group in 0..group {
            let part = of_group * rows / group..(of_group + 1) * rows / group;
            let sinks = self.pass.problem.sink.filter(|_| self.part == 0);
            let sink = sinks.map(|sinks| sinks[self.g * group + of_group]);
            // A sink is one more score, of a key whose value is zero.
            let sink = sink.filter(|&sink| sink > T::NEG_INFINITY);
            self.scratch.largest[part.clone()].fill(sink.unwrap_or(T::NEG_INFINITY));
            self.scratch.totals[part].fill(if sink.is_some() { T::ONE } else { T::ZERO });
        }
    }

    /// Divides the sums of a head by their weights, or leaves that to `merge`.
    #[inline(always)]
    fn finish<S: Simd<T = T>>(&mut self, simd: S, h: usize, at: usize) {
        let Shape { heads, queries, value_width, .. } = self.pass.shape;
        let full = padded::<S>(value_width);
        for (r, i) in self.rows.clone().enumerate() {
            let (largest, total) = (self.scratch.largest[at + r], self.scratch.totals[at + r]);
            let sums = &self.scratch.sums[(at + r) * full..][..value_width];
            let row = (self.b * heads + h) * queries + i;
            // SAFETY: the row of this query, or this part of it, is this task's alone.
            unsafe {
                if self.pass.parts > 1 {
                    let to = self.pass.partial.at(row, self.part);
                    *to = largest;
                    *to.add(1) = total;
                    write(simd, sums, T::ONE, to.add(2));
                } else {
                    let share = if total == T::ZERO { T::ZERO } else { self.pass.kept() / total };
                    write(simd, sums, share, self.pass.context.row(self.b, h, i));
                    let unit = self.pass.scores.unit().unwrap_or(T::ONE);
                    self.pass.write_statistics(row, largest * unit, total);
                }
            }
        }
    }
}
