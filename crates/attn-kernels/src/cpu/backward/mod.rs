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

mod block;
mod delta;
mod logits;
mod task;
mod work;

use self::delta::{Delta, grad_sink};
use self::task::{Scratch, Task};
use super::cells::{CELL, unless_all_visible};
use super::pages;
use super::problem::{Gradients, OutputRows, Problem, Saved, Shape};
use super::schedule::{SharedPtr, run_tasks};
use super::scores::Scores;
use super::simd::{Isa, Op, Real, Simd};
use crate::layout::Output;
use crate::parameters::Visibility;
use std::sync::atomic::AtomicBool;

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
        let mask = unless_all_visible(problem.options.mask.as_deref(), &shape);
        let of_bias = problem.bias.filter(|_| saved.bias_gradient);
        // Where every pair has a number of its own and none is hidden, each is written, once: then
        // there is no need to begin with zeros and add.
        let pairs = [batch, heads, queries, keys];
        let once = of_bias.is_some_and(|bias| bias.shape == pairs) && mask.is_none();
        let mut bias = of_bias.map(|bias| {
            let count = bias.shape.iter().product();
            let numbers = if once { Vec::with_capacity(count) } else { vec![T::ZERO; count] };
            pages::prefer_large_pages(numbers.as_ptr(), count);
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
            delta: SharedPtr(delta.as_mut_ptr()),
            query: query.shared(),
            key: key.shared(),
            value: value.shared(),
            bias: bias.as_mut().map(|bias| SharedPtr(bias.as_mut_ptr())),
            once,
            leaks: &leaks,
        };
        let tasks = pass.tasks::<S>();
        // A task of all queries of a head finds their `D` itself, and they in the cache.
        if tasks.iter().any(|task| !task.part.of_all()) {
            let work = batch * heads * queries * (width + 2 * value_width);
            run_tasks(
                batch * heads,
                work,
                || (),
                |(), head| {
                    simd.run(Delta { pass: &pass, b: head / heads, h: head % heads });
                },
            );
        }
        let work = 2 * batch * heads * queries * keys * (width + value_width);
        run_tasks(
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

/// What all tasks share.
struct Pass<'a, 'b, T> {
    problem: &'a Problem<'b, T>,
    saved: &'a Saved<'b, T>,
    shape: Shape,
    mask: Option<&'a dyn Visibility>,
    scores: Scores<'b, T>,
    /// `D` of each query.
    delta: SharedPtr<T>,
    query: OutputRows<T>,
    key: OutputRows<T>,
    value: OutputRows<T>,
    bias: Option<SharedPtr<T>>,
    /// Whether each element of the bias's gradient is written once, else added to.
    once: bool,
    leaks: &'a AtomicBool,
}
