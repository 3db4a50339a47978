//! The forward pass: softmax over one block of keys after the other (Milakov & Gimelshein 2018; Dao et al.
//! 2022, algorithm 1).
//!
//! A task is some queries of the heads that share a key/value head. It takes the keys block by
//! block, packs each once, and computes its queries against it, a few rows at a time: a strip of
//! products `q · kᵀ`, which stays in the first-level cache, becomes a strip of weights, and these
//! times the values are added to the sums of the rows.
//!
//! Where there are few queries and many keys, as in a decoder's step, memory bandwidth is the limit: nothing is
//! packed, and the keys are split into parts, whose sums are merged in the order of the parts.

mod partial;
mod task;
mod tile;
mod weights;

use self::partial::{Partial, merge};
use self::task::{Scratch, Task};
use super::cells::{CELL, unless_all_visible};
use super::problem::{OutputRows, Problem, Shape};
use super::schedule::{SharedPtr, run_tasks};
use super::scores::{Scores, normalizer};
use super::simd::{Isa, Op, Real, Simd};
use crate::layout::Output;
use crate::parameters::Visibility;
use std::sync::atomic::AtomicBool;

/// Keys of a block: a strip of so many scores for the rows of a tile fits the first-level cache.
const BLOCK: usize = 512;
const CELLS: usize = BLOCK / CELL;
/// Distance of two rows of a strip: not a power of two, which would make them compete for the same
/// lines of the cache.
const STRIP: usize = BLOCK + 16;
/// Rows of a task: enough that packing a block of keys costs little compared to using it.
const TASK_ROWS: usize = 768;
/// Keys of a part, in a problem of few rows. Not a matter of threads: it decides how sums round.
const PART: usize = 2048;

/// Bytes of keys beyond which they are prefetched. 4 MiB gained nothing by it, 16 MiB
/// nearly a third of the time.
const FAR: usize = 8 << 20;

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
        let mask = unless_all_visible(problem.options.mask.as_deref(), &shape);

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
            far_keys: batch * kv_heads * keys * shape.width * size_of::<T>() > FAR,
            context: context.shared(),
            statistics: SharedPtr(statistics.as_mut_ptr()),
            partial: Partial { start: SharedPtr(partial.as_mut_ptr()), shape, parts },
            leaks: &leaks,
        };
        let work = batch * heads * queries * keys * (shape.width + value_width);
        let tasks = batch * kv_heads * chunks * parts;
        run_tasks(
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
    /// Whether the keys are so many that they are prefetched.
    far_keys: bool,
    context: OutputRows<T>,
    statistics: SharedPtr<T>,
    partial: Partial<T>,
    leaks: &'a AtomicBool,
}

impl<T: Real> Pass<'_, '_, T> {
    /// Writes the log-sum-exp of a row, from its largest score and the sum of the weights relative to
    /// that, and what rounding has left of it.
    ///
    /// # Safety
    /// There must be such a row, and no other thread may touch it.
    #[inline(always)]
    unsafe fn write_statistics(&self, row: usize, largest: T, total: T) {
        let Shape { batch, heads, queries, .. } = self.shape;
        let [log_sum_exp, remainder] = normalizer(largest, total);
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
