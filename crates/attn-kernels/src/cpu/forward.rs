//! The forward pass: softmax over blocks of keys as they come (Milakov & Gimelshein 2018; Dao et al.
//! 2022, algorithm 1).
//!
//! A task is some queries of the heads that share a key/value head. It takes the keys block by
//! block, packs each once, and lets its queries, a few rows at a time, look at it: a strip of
//! products `q · kᵀ`, which stays in the first-level cache, becomes a strip of weights, and these
//! times the values are added to the sums of the rows.
//!
//! Where a few queries meet many keys, as in a decoder's step, memory is what limits: nothing is
//! packed, and the keys are split into parts, whose sums are merged in the order of the parts.

use super::cells::{CELL, Cells, class, hiding};
use super::pack::{
    Rows, all_finite, dot, dot_of_four, pack_panels, pack_transposed, padded, panels, write,
};
use super::problem::{Output, OutputRows, Problem, Shape};
use super::product::{Operands, next_rows, product};
use super::schedule::{Shared, each};
use super::scores::{Keeps, Scores, normaliser};
use super::simd::{Isa, Op, Real, Simd};
use crate::{Tile, Visibility};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys of a block: a strip of so many scores for the rows of a tile fits the first-level cache.
const BLOCK: usize = 512;
const CELLS: usize = BLOCK / CELL;
/// Distance of two rows of a strip: not a power of two, which would make them compete for the same
/// lines of the cache.
const STRIP: usize = BLOCK + 16;
/// Rows of a task: enough that packing a block of keys costs little beside using it.
const TASK_ROWS: usize = 768;

/// Rows, of all heads that share values, for which packing these would cost more than it saves.
const FEW_ROWS_OF_VALUES: usize = 48;
/// Distance of the rows of values that are read where they are: rows further apart compete for the
/// same lines of the cache, if they are a power of two apart.
const NEAR_ROWS: usize = 128;
/// Keys of a part, in a problem of few rows. Not a matter of threads: it decides how sums round.
const PART: usize = 2048;

/// Context and statistics, `[2, batch, heads, queries]`; `None` if a hidden value that is not a number
/// would leak.
pub(super) fn forward<T: Real>(isa: Isa, problem: &Problem<T>) -> Option<(Output<T>, Vec<T>)> {
    T::run(isa, Forward(problem))
}

struct Forward<'a, 'b, T>(&'a Problem<'b, T>);

impl<T: Real> Op<T> for Forward<'_, '_, T> {
    type Output = Option<(Output<T>, Vec<T>)>;

    /// Not inlined: only its tasks compute anything.
    fn call<S: Simd<T = T>>(self, simd: S) -> Self::Output {
        let problem = self.0;
        let shape = problem.shape();
        let Shape { batch, heads, kv_heads, queries, keys, value_width, .. } = shape;
        let mut context = Output::like(&problem.query, [batch, heads, queries, value_width]);
        let mut statistics = vec![T::ZERO; 2 * batch * heads * queries];
        let mask = hiding(problem.options.mask.as_deref(), &shape);

        let rows = task_rows::<S>(&shape);
        let chunks = queries.div_ceil(rows);
        let few = shape.has_few_rows();
        let parts = if few { keys.div_ceil(PART) } else { 1 };
        let leaks = AtomicBool::new(false);
        let mut partial = Vec::new();
        if parts > 1 {
            partial.resize(batch * heads * queries * parts * Partial::<T>::size(&shape), T::ZERO);
        }
        let pass = Pass {
            problem,
            shape,
            mask,
            scores: Scores::of(problem),
            parts,
            context: context.shared(),
            statistics: Shared(statistics.as_mut_ptr()),
            partial: Partial { start: Shared(partial.as_mut_ptr()), shape, parts },
            leaks: &leaks,
        };
        let work = batch * heads * queries * keys * (shape.width + value_width);
        let tasks = batch * kv_heads * chunks * parts;
        each(
            tasks,
            work,
            || Scratch::new::<S>(&shape, rows),
            |scratch, task| {
                // The last queries see the most, in most masks, and go first.
                let chunk = chunks - 1 - task / (batch * kv_heads * parts);
                let head = task / parts % (batch * kv_heads);
                let part = task % parts;
                let rows = chunk * rows..queries.min((chunk + 1) * rows);
                let size = if few { PART } else { keys };
                let keys = part * size..keys.min((part + 1) * size);
                let (b, g) = (head / kv_heads, head % kv_heads);
                simd.run(Task { pass: &pass, b, g, rows, keys, part, scratch });
            },
        );
        if parts > 1 {
            (0..batch * heads * queries).for_each(|row| merge(&pass, row));
        }
        // SAFETY: the tasks have written every row of every head.
        (!leaks.into_inner()).then(|| (unsafe { context.finish() }, statistics))
    }
}

/// The sums of parts of the keys.
#[derive(Clone, Copy)]
struct Partial<T> {
    start: Shared<T>,
    shape: Shape,
    parts: usize,
}

impl<T: Copy> Partial<T> {
    /// Numbers of a row: its largest score, the sum of its weights, and that of its values.
    fn size(shape: &Shape) -> usize {
        2 + shape.value_width
    }

    /// # Safety
    /// There must be such a row and part.
    #[inline(always)]
    unsafe fn at(&self, row: usize, part: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.start.at((row * self.parts + part) * Self::size(&self.shape)) }
    }
}

/// Merges the parts of a row: each is relative to its own largest score.
fn merge<T: Real>(pass: &Pass<T>, row: usize) {
    let Shape { heads, queries, value_width, .. } = pass.shape;
    // SAFETY: the tasks have written all parts of the row; nobody else is at work.
    unsafe {
        let part = |part| std::slice::from_raw_parts(pass.partial.at(row, part), 2 + value_width);
        let unit = pass.scores.unit().unwrap_or(T::ONE);
        let parts = || (0..pass.parts).map(part);
        let largest =
            parts().map(|part| part[0]).fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a });
        let mut total = T::ZERO;
        let mut sums = vec![T::ZERO; value_width];
        // By the sum, not the largest score: that of NaN alone is -∞ too, and must not be lost.
        for part in parts().filter(|part| part[1] != T::ZERO) {
            let share = ((part[0] - largest) * (unit * T::LOG2_E)).exp2();
            total += part[1] * share;
            sums.iter_mut().zip(&part[2..]).for_each(|(sum, &x)| *sum += x * share);
        }
        let (b, h, i) = (row / queries / heads, row / queries % heads, row % queries);
        let to = std::slice::from_raw_parts_mut(pass.context.row(b, h, i), value_width);
        let share = if total == T::ZERO { T::ZERO } else { pass.kept() / total };
        to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum * share);
        pass.write_statistics(row, largest * unit, total);
    }
}

/// Rows of a task: many, but not so many that threads are left without one.
fn task_rows<S: Simd>(shape: &Shape) -> usize {
    let heads = shape.batch * shape.kv_heads;
    let wanted = (4 * rayon::current_num_threads()).div_ceil(heads);
    let most = (TASK_ROWS / shape.group).max(S::ROWS);
    let least = (96 / shape.group).max(S::ROWS);
    shape.queries.div_ceil(wanted).clamp(least, most).next_multiple_of(S::ROWS)
}

/// What all tasks share.
struct Pass<'a, 'b, T> {
    problem: &'a Problem<'b, T>,
    shape: Shape,
    mask: Option<&'a dyn Visibility>,
    scores: Scores<'b, T>,
    parts: usize,
    context: OutputRows<T>,
    statistics: Shared<T>,
    partial: Partial<T>,
    leaks: &'a AtomicBool,
}

impl<T: Real> Pass<'_, '_, T> {
    /// Writes the log-sum-exp of a row, from its largest score and the sum of the weights relative to
    /// that, and what rounding has left of it.
    ///
    /// # Safety
    /// There must be such a row, and nobody else may touch it.
    #[inline(always)]
    unsafe fn write_statistics(&self, row: usize, largest: T, total: T) {
        let Shape { batch, heads, queries, .. } = self.shape;
        let [log_sum_exp, remainder] = normaliser(largest, total);
        // SAFETY: the caller's promise.
        unsafe {
            *self.statistics.at(row) = log_sum_exp;
            *self.statistics.at(batch * heads * queries + row) = remainder;
        }
    }

    /// What kept weights are multiplied with.
    fn kept(&self) -> T {
        let dropout = self.problem.options.dropout;
        dropout.map_or(T::ONE, |mask| T::from_f64(mask.kept_factor()))
    }
}

/// What a thread computes in.
struct Scratch<T> {
    keys: Vec<T>,
    values: Vec<T>,
    strip: Vec<T>,
    /// The rows of a tile that has fewer queries than rows.
    queries: Vec<T>,
    /// Of each row of the task: sum of values by weight, largest score, sum of weights.
    sums: Vec<T>,
    largest: Vec<T>,
    totals: Vec<T>,
}

impl<T: Real> Scratch<T> {
    fn new<S: Simd<T = T>>(shape: &Shape, rows: usize) -> Self {
        let block = BLOCK.min(shape.keys.next_multiple_of(2 * S::LANES));
        let rows = shape.group * rows.min(shape.queries.next_multiple_of(S::ROWS));
        let zeros = |size| vec![T::ZERO; size];
        Self {
            keys: zeros(block * shape.width),
            values: zeros(block * padded::<S>(shape.value_width)),
            strip: zeros(S::ROWS * STRIP),
            queries: zeros(S::ROWS * shape.width),
            sums: zeros(rows * padded::<S>(shape.value_width)),
            largest: zeros(rows),
            totals: zeros(rows),
        }
    }
}

/// Queries `rows` and keys `keys` of the heads that read key/value head `g` of batch row `b`.
struct Task<'a, 'b, T> {
    pass: &'a Pass<'a, 'b, T>,
    b: usize,
    g: usize,
    rows: Range<usize>,
    keys: Range<usize>,
    part: usize,
    scratch: &'a mut Scratch<T>,
}

impl<T: Real> Op<T> for Task<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(mut self, simd: S) {
        let Shape { group, width, value_width, .. } = self.pass.shape;
        let (b, g, mask) = (self.b, self.g, self.pass.mask);
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
                let whole = class(mask, [b, h], self.rows.clone(), block.clone());
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
                            pack_transposed(simd, key, block.len(), width, &mut self.scratch.keys);
                        }
                        if !in_place {
                            let values = &mut self.scratch.values;
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

    /// Lets the queries from `row` on, as many as there are of `tile` rows, look at a block of keys.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn tile<S: Simd<T = T>>(
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
        let mut cells = Cells::<CELLS>::NOTHING;
        let heads = [self.b, h];
        cells.look(self.pass.mask, heads, queries.clone(), block.clone(), whole, S::LANES);
        let hull = cells.hull.clone();
        if hull.is_empty() {
            return;
        }

        let panel = 2 * S::LANES;
        let strip = self.scratch.strip.as_mut_ptr();
        // SAFETY: the rows of the tile are within the query, or within the copy of what is left of it.
        // The strip has room for the rows of a tile and the keys of a block, and so have the packed
        // keys. Nobody else has the scratch.
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
                for j in (hull.start..hull.end).step_by(4) {
                    for r in 0..real {
                        let row = rows.from(r).start;
                        if j + 4 <= hull.end {
                            let products = dot_of_four(simd, row, keys.from(j), width);
                            strip.add(r * STRIP + j).cast::<[T; 4]>().write_unaligned(products);
                        } else {
                            for j in j..hull.end {
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
                hull.start - hull.start % panel..hull.end
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
            // SAFETY: the strip's rows hold weights from the hull's first vector to its last; the
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
                    a: strip.add(hull.start),
                    a_row: STRIP,
                    a_col: 1,
                    b: values.from(hull.start).start,
                    b_row: values.row,
                    depth: hull.len(),
                    c: self.scratch.sums.as_mut_ptr().add((at + row) * full + column),
                    c_row: full,
                };
                product(simd, tile, vectors, true, operands);
            }
        }
    }

    /// Turns row `r` of the strip, products of query `i` with keys from `key` on, into weights
    /// relative to the largest score so far, and brings the sums of the row up to that.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn weights<S: Simd<T = T>>(
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
        let hull = cells.hull.clone();
        let nothing = simd.splat(T::NEG_INFINITY);
        let strip = self.scratch.strip[r * STRIP..(r + 1) * STRIP].as_mut_ptr();
        // SAFETY: the row is of this query.
        let bias = unsafe { scores.bias_row(self.b, h, i) };

        // Which sum a weight is added to must not depend on the hull, which is that of the whole tile:
        // the row's neighbours would decide how it rounds. So the sums begin at a multiple of all.
        let start = hull.start - hull.start % (SUMS * S::LANES);
        let end = hull.end.next_multiple_of(SUMS * S::LANES);
        let before = start..hull.start;
        let behind = hull.end.next_multiple_of(S::LANES)..end;
        for j in before.step_by(S::LANES).chain(behind.step_by(S::LANES)) {
            // SAFETY: a vector of the strip's row, which has room for whole cells.
            unsafe { simd.store(strip.add(j), nothing) };
        }

        let mut largest = [nothing; SUMS];
        for (cell, tile) in cells.tiles.iter().enumerate() {
            let mut j = (cell * CELL).max(hull.start);
            let end = hull.end.min((cell + 1) * CELL);
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
            .map(|mask| Keeps::row(mask, ((self.b * heads + h) * queries + i) as u64));
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

    /// Divides the sums of a head by their weights, or leaves that to who merges the parts.
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
