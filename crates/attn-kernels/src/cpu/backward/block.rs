//! A block of queries × keys: its products, and what it adds to the sums.

use super::super::cells::{CELL, Cells, tile_class};
use super::super::pack::{dot, padded, panels};
use super::super::problem::Shape;
use super::super::product::{Operands, next_rows, product};
use super::super::simd::{Real, Simd};
use super::task::{HeadRows, Scratch, Task};
use super::work::Part;
use super::{CELLS, QUERIES, ROW};
use crate::parameters::Tile;
use std::ops::Range;

impl<T: Real> Task<'_, '_, T> {
    /// Adds what a block of queries, from `row` on, and a block of keys contribute to the gradients.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn block<S: Simd<T = T>>(
        &mut self,
        simd: S,
        h: usize,
        head: HeadRows<T>,
        row: usize,
        at: usize,
        block: Range<usize>,
        whole: Tile,
    ) {
        const MOST: usize = QUERIES; // tiles of a block, were each one row
        let Shape { width, value_width, .. } = self.pass.shape;
        let (full, value_full) = (padded::<S>(width), padded::<S>(value_width));
        let &Part { ref queries, of_queries, of_keys, .. } = self.part;
        let count = QUERIES.min(queries.len() - row);
        let first = queries.start + row;
        let heads = [self.head[0], h];
        let whole = match whole {
            Tile::Partial => tile_class(self.pass.mask, heads, first..first + count, block.clone()),
            known => known,
        };
        if whole == Tile::Empty {
            return;
        }

        // Weights and gradients of the logits, tile by tile.
        let mut spans = [(0, 0, 0); MOST]; // first key, key behind the last, query behind the last
        let mut tiles = 0;
        let mut r = 0;
        while r < count {
            let tile = next_rows::<S>(count - r);
            let real = tile.min(count - r);
            let mut cells = Cells::<CELLS>::EMPTY;
            let i = first + r;
            cells.classify(self.pass.mask, heads, i..i + real, block.clone(), whole, S::LANES);
            if cells.span.is_empty() {
                // It may lie between tiles that see something.
                for r in r..r + real {
                    self.scratch.weights[r * ROW..(r + 1) * ROW].fill(T::ZERO);
                    self.scratch.logits[r * ROW..(r + 1) * ROW].fill(T::ZERO);
                }
            } else {
                self.products(simd, h, head, row + r, r, tile, &cells, block.clone());
                if self.pass.shape.has_few_rows() {
                    self.few_products(simd, head, row + r, r, real, &cells, block.start);
                }
                for k in 0..real {
                    self.logits(simd, h, i + k, r + k, k, &cells, block.start);
                }
            }
            let Range { start, end } = cells.span.clone();
            spans[tiles] = (start, end, r + real);
            if of_queries && start < end {
                for (column, vectors) in panels::<S>(width) {
                    // SAFETY: rows and columns of the tile, rows of the copied keys, and the sums of
                    // these queries.
                    unsafe {
                        let sums = self.scratch.grad_queries.as_mut_ptr();
                        let operands = Operands {
                            a: self.scratch.logits.as_ptr().add(r * ROW + start),
                            a_row: ROW,
                            a_col: 1,
                            b: self.scratch.key_rows.as_ptr().add(start * full + column),
                            b_row: full,
                            depth: end - start,
                            c: sums.add((at + row + r) * full + column),
                            c_row: full,
                        };
                        product(simd, tile, vectors, true, operands);
                    }
                }
            }
            tiles += 1;
            r += tile;
        }
        if !of_keys {
            return;
        }

        // Sums of the keys, tile by tile of keys, over the queries that see any of them.
        let keys_end = spans[..tiles].iter().map(|span| span.1).max().unwrap_or(0);
        let mut k = 0;
        while k < block.len() {
            let tile = next_rows::<S>(block.len() - k);
            let sees = |&(start, end, _): &(usize, usize, usize)| start < k + tile && end > k;
            let Some(from) = spans[..tiles].iter().position(sees) else {
                if k >= keys_end {
                    break;
                }
                k += tile;
                continue;
            };
            let last = spans[..tiles].iter().rposition(sees).unwrap_or(from);
            let from = if from == 0 { 0 } else { spans[from - 1].2 };
            let depth = spans[last].2 - from;
            let sums = [
                (head.gradients, &self.scratch.weights, &mut self.scratch.grad_values, value_width),
                (Some(head.queries), &self.scratch.logits, &mut self.scratch.grad_keys, width),
            ];
            for (rows, tiles, sums, width) in sums {
                let Some(rows) = rows else { continue };
                let full = if width == value_width { value_full } else { full };
                for (column, vectors) in panels::<S>(width) {
                    // SAFETY: rows and columns of the tile, the rows of these queries, and the sums
                    // of these keys.
                    unsafe {
                        let operands = Operands {
                            a: tiles.as_ptr().add(from * ROW + k),
                            a_row: 1,
                            a_col: ROW,
                            b: rows.from(row + from).start.add(column),
                            b_row: rows.row,
                            depth,
                            c: sums.as_mut_ptr().add(k * full + column),
                            c_row: full,
                        };
                        product(simd, tile, vectors, true, operands);
                    }
                }
            }
            k += tile;
        }
    }

    /// The products `q · kᵀ` and `do · vᵀ` of a tile; zeros where nothing is seen.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn products<S: Simd<T = T>>(
        &mut self,
        simd: S,
        h: usize,
        head: HeadRows<T>,
        row: usize,
        r: usize,
        tile: usize,
        cells: &Cells<CELLS>,
        block: Range<usize>,
    ) {
        let Shape { width, value_width, .. } = self.pass.shape;
        let panel = 2 * S::LANES;
        let heads = [self.head[0], h];
        let scores = &self.pass.scores;
        let queries = &self.part.queries;
        let tile_queries = queries.start + row..queries.end.min(queries.start + row + tile);
        let Scratch { keys, values, weights, logits, .. } = &mut *self.scratch;
        let products = [
            (Some(head.queries), &*keys, &mut *weights, width, true),
            (head.gradients, &*values, &mut *logits, value_width, false),
        ];
        for (rows, packed, to, width, of_scores) in products {
            for first in (0..block.len()).step_by(panel) {
                let seen = first < cells.span.end && first + panel > cells.span.start;
                match rows {
                    Some(rows) if seen && cells.tiles[first / CELL] != Tile::Empty => {
                        if of_scores {
                            let keys =
                                block.start + first..block.end.min(block.start + first + panel);
                            scores.prefetch_bias(simd, heads, tile_queries.clone(), keys);
                        }
                        // SAFETY: the rows of the tile, a panel of the packed keys, and the columns
                        // of the panel in these rows of the tile.
                        unsafe {
                            let operands = Operands {
                                a: rows.from(row).start,
                                a_row: rows.row,
                                a_col: 1,
                                b: packed.as_ptr().add(first * width),
                                b_row: panel,
                                depth: width,
                                c: to.as_mut_ptr().add(r * ROW + first),
                                c_row: ROW,
                            };
                            product(simd, tile, 2, false, operands);
                        }
                    }
                    _ => {
                        for r in r..r + tile {
                            to[r * ROW + first..][..panel].fill(T::ZERO);
                        }
                    }
                }
            }
        }
    }

    /// The products `q · kᵀ` of `real` queries as the forward pass takes them where rows are few.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn few_products<S: Simd<T = T>>(
        &mut self,
        simd: S,
        head: HeadRows<T>,
        row: usize,
        r: usize,
        real: usize,
        cells: &Cells<CELLS>,
        key: usize,
    ) {
        let width = self.pass.shape.width;
        let [b, g] = self.head;
        for k in 0..real {
            for j in cells.span.clone() {
                // SAFETY: rows of these queries and keys.
                let product = unsafe {
                    let key = self.pass.problem.key.rows(b, g).from(key + j);
                    dot(simd, head.queries.from(row + k).start, key.start, width)
                };
                self.scratch.weights[(r + k) * ROW + j] = product;
            }
        }
    }
}
