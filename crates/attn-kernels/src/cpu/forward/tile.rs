//! Weights and sums of a tile of queries over a block of keys.

use super::super::cells::{CELL, Cells};
use super::super::pack::{Rows, dot, dot_of_four, padded, panels, prefetch_rows};
use super::super::problem::Shape;
use super::super::product::{Operands, product};
use super::super::simd::{Real, Simd};
use super::task::Task;
use super::{CELLS, STRIP};
use crate::parameters::Tile;
use std::ops::Range;

/// Rows of keys between those that are read and those that are prefetched.
const AHEAD: usize = 24;

impl<T: Real> Task<'_, '_, T> {
    /// Adds a block of keys to the sums of the queries from `row` on, as many as there are of `tile` rows.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn tile<S: Simd<T = T>>(
        &mut self,
        simd: S,
        h: usize,
        row: usize,
        tile: usize,
        at: usize,
        block: Range<usize>,
        whole: Tile,
        in_place: bool,
    ) {
        let Shape { width, value_width, .. } = self.pass.shape;
        let real = tile.min(self.rows.len() - row);
        let queries = self.rows.start + row..self.rows.start + row + real;
        let mut cells = Cells::<CELLS>::EMPTY;
        let heads = [self.b, h];
        cells.classify(self.pass.mask, heads, queries.clone(), block.clone(), whole, S::LANES);
        let span = cells.span.clone();
        if span.is_empty() {
            return;
        }

        let panel = 2 * S::LANES;
        let strip = self.scratch.strip.as_mut_ptr();
        // SAFETY: the rows of the tile are within the query, or within the copy of what is left of it.
        // The strip has room for the rows of a tile and the keys of a block, and so have the packed
        // keys. The scratch is this task's alone.
        unsafe {
            let mut rows = self.pass.problem.query.rows(self.b, h).from(queries.start);
            if real < tile {
                for r in 0..real {
                    let from = std::slice::from_raw_parts(rows.from(r).start, width);
                    self.scratch.queries[r * width..][..width].copy_from_slice(from);
                }
                self.scratch.queries[real * width..tile * width].fill(T::ZERO);
                rows = Rows { start: self.scratch.queries.as_ptr(), row: width };
            }
            if self.pass.shape.has_few_rows() {
                let keys = self.pass.problem.key.rows(self.b, self.g).from(block.start);
                for j in (span.start..span.end).step_by(4) {
                    // For the first head that reads them.
                    if self.pass.far_keys && h == self.g * self.pass.shape.group {
                        prefetch_rows(simd, keys.beyond(j + AHEAD), 4, width);
                    }
                    for r in 0..real {
                        let row = rows.from(r).start;
                        if j + 4 <= span.end {
                            let products = dot_of_four(simd, row, keys.from(j), width);
                            strip.add(r * STRIP + j).cast::<[T; 4]>().write_unaligned(products);
                        } else {
                            for j in j..span.end {
                                *strip.add(r * STRIP + j) =
                                    dot(simd, row, keys.from(j).start, width);
                            }
                        }
                    }
                }
            }
            let panels = if self.pass.shape.has_few_rows() {
                0..0
            } else {
                span.start - span.start % panel..span.end
            };
            for first in panels.step_by(panel) {
                if cells.tiles[first / CELL] == Tile::Empty {
                    continue;
                }
                let keys = block.start + first..block.start + block.len().min(first + panel);
                self.pass.scores.prefetch_bias(simd, heads, queries.clone(), keys);
                let operands = Operands {
                    a: rows.start,
                    a_row: rows.row,
                    a_col: 1,
                    b: self.scratch.keys.as_ptr().add(first * width),
                    b_row: panel,
                    depth: width,
                    c: strip.add(first),
                    c_row: STRIP,
                };
                product(simd, tile, 2, false, operands);
            }
        }

        for r in 0..real {
            self.weights(simd, h, queries.start + r, r, at + row + r, &cells, block.start);
        }

        let full = padded::<S>(value_width);
        let wide =
            if tile == 1 && in_place { value_width - value_width % (4 * S::LANES) } else { 0 };
        let wide_panels = (0..wide).step_by(4 * S::LANES).map(|column| (column, 4));
        let others =
            panels::<S>(value_width - wide).map(|(column, vectors)| (wide + column, vectors));
        for (column, vectors) in wide_panels.chain(others) {
            // SAFETY: the strip's rows hold weights from the span's first vector to its last; the
            // packed values have the keys of the block, and the sums the rows of the tile.
            unsafe {
                let values = if in_place {
                    let rows = self.pass.problem.value.rows(self.b, self.g);
                    Rows { start: rows.from(block.start).start.add(column), row: rows.row }
                } else {
                    let packed = self.scratch.values.as_ptr().add(column * block.len());
                    Rows { start: packed, row: vectors * S::LANES }
                };
                let operands = Operands {
                    a: strip.add(span.start),
                    a_row: STRIP,
                    a_col: 1,
                    b: values.from(span.start).start,
                    b_row: values.row,
                    depth: span.len(),
                    c: self.scratch.sums.as_mut_ptr().add((at + row) * full + column),
                    c_row: full,
                };
                product(simd, tile, vectors, true, operands);
            }
        }
    }
}
