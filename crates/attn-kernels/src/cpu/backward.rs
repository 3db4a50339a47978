//! The backward pass: tiles of weights are computed again from the saved log-sum-exp (Dao et al.
//! 2022, algorithm 4).
//!
//! With the weights `P` of a tile of queries × keys, the gradient `dP = dO · Vᵀ` and, for each
//! query, `D = Σ dO ∘ O - dL` of the context's gradient `dO` and the log-sum-exp's `dL`:
//!
//! ```text
//! dV += Pᵀ · dO      dS = P ∘ (dP - D)      dK += dSᵀ · Q      dQ += dS · K
//! ```
//!
//! A task holds some keys and takes all their queries, block by block, to sum `dK` and `dV`; or it
//! holds some queries and takes all their keys, to sum `dQ`. A task that has all of both does all
//! three at once, which saves the second computation of `P` and `dP`. Whichever way the work is
//! cut, every element is the same sum in the same order: the bits do not depend on the threads.

use super::cells::{CELL, Cells, class, hiding};
use super::pack::{Rows, all_finite, copy_rows, dot, pack_transposed, padded, panels, write};
use super::pages;
use super::problem::{Gradients, Output, OutputRows, Problem, Saved, Shape};
use super::product::{Operands, next_rows, product};
use super::schedule::{Shared, each};
use super::scores::{Keeps, Scores};
use super::simd::{Isa, Op, Real, Simd};
use crate::{Tile, Visibility};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys of a block.
const BLOCK: usize = 128;
const CELLS: usize = BLOCK / CELL;
/// Queries of a block: tiles of weights and of their gradients stay in the second-level cache.
const QUERIES: usize = 48;
/// Distance of two rows of a tile: not a power of two, which would make them compete for the same
/// lines of the cache.
const ROW: usize = BLOCK + 16;

/// The gradients; `None` if something hidden that is not a number would leak.
pub(super) fn backward<T: Real>(
    isa: Isa,
    problem: &Problem<T>,
    saved: &Saved<T>,
) -> Option<Gradients<T>> {
    T::run(isa, Backward { problem, saved })
}

struct Backward<'a, 'b, T> {
    problem: &'a Problem<'b, T>,
    saved: &'a Saved<'b, T>,
}

impl<T: Real> Op<T> for Backward<'_, '_, T> {
    type Output = Option<Gradients<T>>;

    /// Not inlined: only its tasks compute anything.
    fn call<S: Simd<T = T>>(self, simd: S) -> Self::Output {
        let Self { problem, saved } = self;
        let shape = problem.shape();
        saved.check(&shape);
        let Shape { batch, heads, queries, keys, width, value_width, .. } = shape;
        let mut query = Output::like(&problem.query, problem.query.shape);
        let mut key = Output::like(&problem.key, problem.key.shape);
        let mut value = Output::like(&problem.value, problem.value.shape);
        let mask = hiding(problem.options.mask.as_deref(), &shape);
        let of_bias = problem.bias.filter(|_| saved.bias_gradient);
        // Where every pair has a number of its own and none is hidden, each is written, once: then
        // there is no need to begin with zeros and add.
        let pairs = [batch, heads, queries, keys];
        let once = of_bias.is_some_and(|bias| bias.shape == pairs) && mask.is_none();
        let mut bias = of_bias.map(|bias| {
            let count = bias.shape.iter().product();
            let numbers = if once { Vec::with_capacity(count) } else { vec![T::ZERO; count] };
            pages::prefer_large(numbers.as_ptr(), count);
            numbers
        });
        let leaks = AtomicBool::new(false);

        let mut delta = vec![T::ZERO; batch * heads * queries];
        let pass = Pass {
            problem,
            saved,
            shape,
            mask,
            scores: Scores::of(problem),
            delta: Shared(delta.as_mut_ptr()),
            query: query.shared(),
            key: key.shared(),
            value: value.shared(),
            bias: bias.as_mut().map(|bias| Shared(bias.as_mut_ptr())),
            once,
            leaks: &leaks,
        };
        let tasks = pass.tasks::<S>();
        // A task of all queries of a head finds their `D` itself, and they in the cache.
        if tasks.iter().any(|task| !task.part.of_all()) {
            let work = batch * heads * queries * (width + 2 * value_width);
            each(
                batch * heads,
                work,
                || (),
                |(), head| {
                    simd.run(Delta { pass: &pass, b: head / heads, h: head % heads });
                },
            );
        }
        let work = 2 * batch * heads * queries * keys * (width + value_width);
        each(
            tasks.len(),
            work,
            || Scratch::new::<S>(&shape),
            |scratch, index| {
                for &head in &tasks[index].heads {
                    let part = &tasks[index].part;
                    simd.run(Task { pass: &pass, head, part, scratch });
                }
            },
        );
        let sink = problem.sink.map(|sink| grad_sink(sink, &shape, saved, &delta));
        if leaks.into_inner() {
            return None;
        }
        // SAFETY: the tasks have written every row of every head, and, if `once`, every pair.
        unsafe {
            let (query, key, value) = (query.finish(), key.finish(), value.finish());
            if let Some(bias) = bias.as_mut().filter(|_| once) {
                bias.set_len(pairs.iter().product());
            }
            Some(Gradients { query, key, value, bias, sink })
        }
    }
}

/// The gradient of a sink, a logit whose value is zero: `Σ exp(sink - L) · (0 - D)`.
fn grad_sink<T: Real>(sink: &[T], shape: &Shape, saved: &Saved<T>, delta: &[T]) -> Vec<T> {
    let Shape { batch, heads, queries, .. } = *shape;
    let of_head = |(h, &sink): (usize, &T)| {
        let mut sum = 0.0;
        if sink == T::NEG_INFINITY {
            return T::ZERO;
        }
        for b in 0..batch {
            let first = (b * heads + h) * queries;
            for (i, &delta) in delta[first..first + queries].iter().enumerate() {
                let [lse, remainder] = saved.log_sum_exp(first + i);
                let weight = (((sink - lse) - remainder) * T::LOG2_E).exp2();
                sum -= (weight * delta).to_f64();
            }
        }
        T::from_f64(sum)
    };
    sink.iter().enumerate().map(of_head).collect()
}

/// `D` of all queries of a head, and whether something there would leak.
struct Delta<'a, 'b, T> {
    pass: &'a Pass<'a, 'b, T>,
    b: usize,
    h: usize,
}

impl<T: Real> Op<T> for Delta<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(self, simd: S) {
        let Self { pass, b, h } = self;
        let Shape { heads, queries, width, value_width, .. } = pass.shape;
        let first = (b * heads + h) * queries;
        let context = pass.saved.context.rows(b, h);
        let gradient = pass.saved.grad_context.map(|gradient| gradient.rows(b, h));
        for i in 0..queries {
            // SAFETY: rows of tensors that have been checked, and the element of this query.
            unsafe {
                let mut delta = match gradient {
                    None => T::ZERO,
                    Some(rows) => dot(simd, rows.from(i).start, context.from(i).start, value_width),
                };
                if let Some(gradient) = pass.saved.grad_log_sum_exp {
                    delta = delta - gradient[first + i];
                }
                *pass.delta.at(first + i) = delta;
            }
        }
        if pass.mask.is_some() {
            // SAFETY: rows of tensors that have been checked.
            let finite = unsafe {
                all_finite(simd, pass.problem.query.rows(b, h), queries, width)
                    && gradient.is_none_or(|rows| all_finite(simd, rows, queries, value_width))
            };
            if !finite {
                pass.leaks.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// What all tasks share.
struct Pass<'a, 'b, T> {
    problem: &'a Problem<'b, T>,
    saved: &'a Saved<'b, T>,
    shape: Shape,
    mask: Option<&'a dyn Visibility>,
    scores: Scores<'b, T>,
    /// `D` of each query.
    delta: Shared<T>,
    query: OutputRows<T>,
    key: OutputRows<T>,
    value: OutputRows<T>,
    bias: Option<Shared<T>>,
    /// Whether each element of the bias's gradient is written once, else added to.
    once: bool,
    leaks: &'a AtomicBool,
}

/// Which gradients a task sums, over which queries and keys.
#[derive(Clone, Debug)]
struct Part {
    queries: Range<usize>,
    keys: Range<usize>,
    of_queries: bool,
    of_keys: bool,
}

impl Part {
    /// Whether it is all of a head.
    fn of_all(&self) -> bool {
        self.of_queries && self.of_keys
    }
}

/// A part of some key/value heads, `[batch row, head]`, one after the other.
struct Work {
    heads: Vec<[usize; 2]>,
    part: Part,
}

impl<T: Real> Pass<'_, '_, T> {
    /// The work, cut such that no two tasks write to the same place.
    fn tasks<S: Simd>(&self) -> Vec<Work> {
        let Shape { batch, kv_heads, queries, keys, .. } = self.shape;
        let sharing = self.sharing_heads();
        let threads = rayon::current_num_threads();
        // The cost of all tasks in a row is that of the slowest thread: whole heads cost 5 products,
        // and cut ones 7.
        let whole = 5 * sharing.len().div_ceil(threads) * threads;
        let of_bias = self.problem.bias.filter(|_| self.bias.is_some());
        let bias_over_keys = of_bias.is_some_and(|bias| bias.shape[3] == 1 && keys > 1);
        let part = |queries, keys, of_queries, of_keys| Part { queries, keys, of_queries, of_keys };
        let largest = sharing.iter().map(Vec::len).max().unwrap_or(0);
        if whole <= 7 * sharing.len() || keys <= BLOCK || bias_over_keys {
            let part = part(0..queries, 0..keys, true, true);
            return sharing.into_iter().map(|heads| Work { heads, part: part.clone() }).collect();
        }
        let parts = (4 * threads).div_ceil(batch * kv_heads.max(1)).max(largest);
        let size = |all: usize, unit: usize| all.div_ceil(parts).next_multiple_of(unit);
        let cut = |all: usize, size: usize| {
            (0..all).step_by(size).map(move |first| first..all.min(first + size))
        };
        let mut work = Vec::new();
        for of_keys in cut(keys, size(keys, BLOCK)) {
            let part = part(0..queries, of_keys, false, true);
            work.extend(
                sharing.iter().map(|heads| Work { heads: heads.clone(), part: part.clone() }),
            );
        }
        for of_queries in cut(queries, size(queries, QUERIES)) {
            let part = part(of_queries, 0..keys, true, false);
            let heads = sharing.iter().flatten();
            work.extend(heads.map(|&head| Work { heads: vec![head], part: part.clone() }));
        }
        work
    }

    /// The key/value heads, those together that a bias is broadcast over: they sum one gradient.
    fn sharing_heads(&self) -> Vec<Vec<[usize; 2]>> {
        let Shape { batch, kv_heads, .. } = self.shape;
        let of_bias = self.problem.bias.filter(|_| self.bias.is_some());
        let [rows, heads] = of_bias.map_or([batch, kv_heads], |bias| {
            let own = |size: usize, full: usize| if size == 1 { 1 } else { full };
            [own(bias.shape[0], batch), own(bias.shape[1], kv_heads)]
        });
        let mut sharing = vec![Vec::new(); rows * heads];
        for b in 0..batch {
            for g in 0..kv_heads {
                sharing[b % rows * heads + g % heads].push([b, g]);
            }
        }
        sharing
    }
}

/// What a thread computes in.
struct Scratch<T> {
    /// Packed for products along the width: keys and values, transposed.
    keys: Vec<T>,
    values: Vec<T>,
    /// Packed for products along the keys.
    key_rows: Vec<T>,
    /// Of a block of keys.
    grad_keys: Vec<T>,
    grad_values: Vec<T>,
    /// Of a block of queries × keys: weights, and the gradients of logits.
    weights: Vec<T>,
    logits: Vec<T>,
    /// Of all queries of the heads of a group, where the tensors themselves do not serve.
    grad_queries: Vec<T>,
    queries: Vec<T>,
    gradients: Vec<T>,
}

impl<T: Real> Scratch<T> {
    fn new<S: Simd<T = T>>(shape: &Shape) -> Self {
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
struct Task<'a, 'b, T> {
    pass: &'a Pass<'a, 'b, T>,
    head: [usize; 2],
    part: &'a Part,
    scratch: &'a mut Scratch<T>,
}

/// Rows of a head, in whole vectors and whole tiles: the tensor's own, or copies of them.
#[derive(Clone, Copy)]
struct HeadRows<T> {
    queries: Rows<T>,
    gradients: Option<Rows<T>>,
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
                let whole = class(mask, [b, h], queries.clone(), block.clone());
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

    /// Lets a block of queries, from `row` on, look at a block of keys.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn block<S: Simd<T = T>>(
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
            Tile::Partial => class(self.pass.mask, heads, first..first + count, block.clone()),
            known => known,
        };
        if whole == Tile::Empty {
            return;
        }

        // Weights and gradients of the logits, tile by tile.
        let mut hulls = [(0, 0, 0); MOST]; // first key, key behind the last, query behind the last
        let mut tiles = 0;
        let mut r = 0;
        while r < count {
            let tile = next_rows::<S>(count - r);
            let real = tile.min(count - r);
            let mut cells = Cells::<CELLS>::NOTHING;
            let i = first + r;
            cells.look(self.pass.mask, heads, i..i + real, block.clone(), whole, S::LANES);
            if cells.hull.is_empty() {
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
            let Range { start, end } = cells.hull.clone();
            hulls[tiles] = (start, end, r + real);
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
        let keys_end = hulls[..tiles].iter().map(|hull| hull.1).max().unwrap_or(0);
        let mut k = 0;
        while k < block.len() {
            let tile = next_rows::<S>(block.len() - k);
            let sees = |&(start, end, _): &(usize, usize, usize)| start < k + tile && end > k;
            let Some(from) = hulls[..tiles].iter().position(sees) else {
                if k >= keys_end {
                    break;
                }
                k += tile;
                continue;
            };
            let last = hulls[..tiles].iter().rposition(sees).unwrap_or(from);
            let from = if from == 0 { 0 } else { hulls[from - 1].2 };
            let depth = hulls[last].2 - from;
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
                let seen = first < cells.hull.end && first + panel > cells.hull.start;
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
            for j in cells.hull.clone() {
                // SAFETY: rows of these queries and keys.
                let product = unsafe {
                    let key = self.pass.problem.key.rows(b, g).from(key + j);
                    dot(simd, head.queries.from(row + k).start, key.start, width)
                };
                self.scratch.weights[(r + k) * ROW + j] = product;
            }
        }
    }

    /// Turns the products of query `i`, in row `r` of the tiles, into weights and gradients of
    /// logits; `k` is the query's row among the cells.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn logits<S: Simd<T = T>>(
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
            (Keeps::row(mask, row as u64), simd.splat(T::from_f64(mask.kept_factor())))
        });
        let log2_e = simd.splat(T::LOG2_E);
        // SAFETY: the row is of this query.
        let (bias, grad_bias) = unsafe { (scores.bias_row(b, h, i), self.grad_bias_row(b, h, i)) };
        let grad_bias = grad_bias.filter(|_| self.part.of_keys);
        let weights = self.scratch.weights[r * ROW..(r + 1) * ROW].as_mut_ptr();
        let logits = self.scratch.logits[r * ROW..(r + 1) * ROW].as_mut_ptr();

        // Of the panels that were computed, what lies outside of the hull is not a weight.
        let panel = 2 * S::LANES;
        let Range { start, end } = cells.hull;
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
            let first = (cell * CELL).max(cells.hull.start);
            let end = cells.hull.end.min((cell + 1) * CELL);
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
    /// The row has `keys` numbers, or one if it is broadcast, which nobody else may touch.
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
