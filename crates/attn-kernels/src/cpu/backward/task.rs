//! A task: its queries and keys, block by block.

use super::super::cells::tile_class;
use super::super::pack::{Rows, all_finite, copy_rows, pack_transposed, padded, write};
use super::super::problem::Shape;
use super::super::simd::{Op, Real, Simd};
use super::delta::Delta;
use super::work::Part;
use super::{BLOCK, Pass, QUERIES, ROW};
use crate::parameters::Tile;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What a thread computes in.
pub(super) struct Scratch<T> {
    /// Packed for products along the width: keys and values, transposed.
    pub(super) keys: Vec<T>,
    pub(super) values: Vec<T>,
    /// Packed for products along the keys.
    pub(super) key_rows: Vec<T>,
    /// Of a block of keys.
    pub(super) grad_keys: Vec<T>,
    pub(super) grad_values: Vec<T>,
    /// Of a block of queries × keys: weights, and the gradients of logits.
    pub(super) weights: Vec<T>,
    pub(super) logits: Vec<T>,
    /// Of all queries of the heads of a group, where the tensors themselves do not serve.
    pub(super) grad_queries: Vec<T>,
    pub(super) queries: Vec<T>,
    pub(super) gradients: Vec<T>,
}

impl<T: Real> Scratch<T> {
    pub(super) fn new<S: Simd<T = T>>(shape: &Shape) -> Self {
        let &Shape { width, value_width, .. } = shape;
        let block = BLOCK.min(shape.keys.next_multiple_of(2 * S::LANES));
        let rows = block.next_multiple_of(S::ROWS);
        let (full, value_full) = (padded::<S>(width), padded::<S>(value_width));
        let zeros = |size| vec![T::ZERO; size];
        Self {
            keys: zeros(block * width),
            values: zeros(block * value_width),
            key_rows: zeros(block * full),
            grad_keys: zeros(rows * full),
            grad_values: zeros(rows * value_full),
            weights: zeros(QUERIES * ROW),
            logits: zeros(QUERIES * ROW),
            grad_queries: Vec::new(),
            queries: Vec::new(),
            gradients: Vec::new(),
        }
    }
}

/// Part of a key/value head.
pub(super) struct Task<'a, 'b, T> {
    pub(super) pass: &'a Pass<'a, 'b, T>,
    pub(super) head: [usize; 2],
    pub(super) part: &'a Part,
    pub(super) scratch: &'a mut Scratch<T>,
}

/// Rows of a head, in whole vectors and whole tiles: the tensor's own, or copies of them.
#[derive(Clone, Copy)]
pub(super) struct HeadRows<T> {
    pub(super) queries: Rows<T>,
    pub(super) gradients: Option<Rows<T>>,
}

impl<T: Real> Op<T> for Task<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(mut self, simd: S) {
        let Shape { group, width, value_width, .. } = self.pass.shape;
        let [b, g] = self.head;
        let mask = self.pass.mask;
        let (full, value_full) = (padded::<S>(width), padded::<S>(value_width));
        let Part { queries, keys, of_queries, of_keys } = self.part.clone();
        let rows = queries.len().next_multiple_of(S::ROWS);
        if self.part.of_all() {
            for h in g * group..(g + 1) * group {
                Delta { pass: self.pass, b, h }.call(simd);
            }
        }
        self.prepare(simd, rows);

        for first in (keys.start..keys.end).step_by(BLOCK) {
            let block = first..keys.end.min(first + BLOCK);
            let count = block.len();
            self.scratch.grad_keys.fill(T::ZERO);
            self.scratch.grad_values.fill(T::ZERO);
            let mut packed = false;
            for of_group in 0..group {
                let h = g * group + of_group;
                let whole = tile_class(mask, [b, h], queries.clone(), block.clone());
                if whole == Tile::Empty {
                    continue;
                }
                if !packed {
                    // SAFETY: the rows of the block are within key and value.
                    unsafe {
                        let key = self.pass.problem.key.rows(b, g).from(first);
                        let value = self.pass.problem.value.rows(b, g).from(first);
                        if mask.is_some() && !all_finite(simd, key, count, width) {
                            self.pass.leaks.store(true, Ordering::Relaxed);
                        }
                        pack_transposed(simd, key, count, width, &mut self.scratch.keys);
                        if self.pass.saved.grad_context.is_some() {
                            let values = &mut self.scratch.values;
                            pack_transposed(simd, value, count, value_width, values);
                        }
                        if of_queries {
                            copy_rows(simd, key, count, width, &mut self.scratch.key_rows);
                        }
                    }
                    packed = true;
                }
                let head = self.head_rows::<S>(h, of_group * rows);
                for row in (0..queries.len()).step_by(QUERIES) {
                    self.block(simd, h, head, row, of_group * rows, block.clone(), whole);
                }
            }
            if of_keys {
                let scale = T::from_f64(self.pass.problem.options.scale);
                let Scratch { grad_keys, grad_values, .. } = &*self.scratch;
                for k in 0..count {
                    // SAFETY: the rows of this key, which are this task's alone.
                    unsafe {
                        let to = self.pass.key.row(b, g, first + k);
                        write(simd, &grad_keys[k * full..][..width], scale, to);
                        let to = self.pass.value.row(b, g, first + k);
                        write(simd, &grad_values[k * value_full..][..value_width], T::ONE, to);
                    }
                }
            }
        }
        if of_queries {
            let scale = T::from_f64(self.pass.problem.options.scale);
            for of_group in 0..group {
                for (r, i) in queries.clone().enumerate() {
                    let from = &self.scratch.grad_queries[(of_group * rows + r) * full..][..width];
                    // SAFETY: the row of this query, which is this task's alone.
                    unsafe {
                        write(simd, from, scale, self.pass.query.row(b, g * group + of_group, i));
                    }
                }
            }
        }
    }
}

impl<T: Real> Task<'_, '_, T> {
    /// Makes room for the queries of the group, and copies of them where their rows are not whole
    /// vectors or tiles.
    #[inline(always)]
    fn prepare<S: Simd<T = T>>(&mut self, simd: S, rows: usize) {
        let Shape { group, width, value_width, .. } = self.pass.shape;
        let [b, g] = self.head;
        let (full, value_full) = (padded::<S>(width), padded::<S>(value_width));
        let Range { start, end } = self.part.queries;
        let (copies, value_copies) = (self.copies::<S>(width), self.copies::<S>(value_width));
        let Scratch { grad_queries, queries, gradients, .. } = &mut *self.scratch;
        if self.part.of_queries {
            grad_queries.clear();
            grad_queries.resize(group * rows * full, T::ZERO);
        }
        if copies {
            queries.resize(group * rows * full, T::ZERO);
        }
        if value_copies {
            gradients.resize(group * rows * value_full, T::ZERO);
        }
        for of_group in 0..group {
            let h = g * group + of_group;
            // SAFETY: these rows are within the query and the gradient of the context.
            unsafe {
                if copies {
                    let from = self.pass.problem.query.rows(b, h).from(start);
                    let to = &mut queries[of_group * rows * full..];
                    copy_rows(simd, from, end - start, width, to);
                }
                if let (true, Some(gradient)) = (value_copies, self.pass.saved.grad_context) {
                    let from = gradient.rows(b, h).from(start);
                    let to = &mut gradients[of_group * rows * value_full..];
                    copy_rows(simd, from, end - start, value_width, to);
                }
            }
        }
    }

    /// Whether rows of this width must be copied to be whole vectors, in whole tiles.
    #[inline(always)]
    fn copies<S: Simd<T = T>>(&self, width: usize) -> bool {
        let whole_tiles = self.part.queries.len().is_multiple_of(S::ROWS / 3);
        !(width.is_multiple_of(S::LANES) && whole_tiles)
    }

    #[inline(always)]
    fn head_rows<S: Simd<T = T>>(&self, h: usize, at: usize) -> HeadRows<T> {
        let Shape { width, value_width, .. } = self.pass.shape;
        let b = self.head[0];
        let (full, value_full) = (padded::<S>(width), padded::<S>(value_width));
        let first = self.part.queries.start;
        // SAFETY: the first of the queries, in the tensor or in the copy of it.
        unsafe {
            let queries = if self.copies::<S>(width) {
                Rows { start: self.scratch.queries.as_ptr(), row: full }.from(at)
            } else {
                self.pass.problem.query.rows(b, h).from(first)
            };
            let gradients = self.pass.saved.grad_context.map(|gradient| {
                if self.copies::<S>(value_width) {
                    Rows { start: self.scratch.gradients.as_ptr(), row: value_full }.from(at)
                } else {
                    gradient.rows(b, h).from(first)
                }
            });
            HeadRows { queries, gradients }
        }
    }
}
