//! Scores of additive attention, `v · tanh(q + k)` of all pairs, whose hidden layer is in registers
//! alone: it is computed in the forward pass and again in the backward one.

use super::chunks::{Uninit, fill_chunks, load, overwrite, store};
use super::linear::sum_rows;
use super::pages;
use super::schedule::{SharedPtr, run_tasks};
use super::simd::{Isa, Op, Real, Simd};
use std::ops::Range;

/// Scores of a task of the forward pass.
const SCORES: usize = 256;

/// Features of a task of the backward pass, where they have nothing to do with each other: whole
/// vectors of any instruction set.
const FEATURES: usize = 64;

/// Numbers of the widest vector.
const WIDEST: usize = 16;

/// About how many operations a hyperbolic tangent is.
const TANH: usize = 32;

/// Projected queries and keys, and the vector that their hidden layer is multiplied with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'a> {
    /// `[heads, queries, d]`, of all rows of a batch.
    pub(crate) query: &'a [f32],
    /// `[heads, keys, d]`
    pub(crate) key: &'a [f32],
    /// `[d]`
    pub(crate) v: &'a [f32],
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) d: usize,
}

impl<'a> Pairs<'a> {
    /// How many heads there are.
    ///
    /// # Panics
    /// If the slices are not of these sizes, or are empty.
    fn heads(&self) -> usize {
        let &Self { query, key, v, queries, keys, d } = self;
        assert!(queries * keys * d > 0, "{queries} queries, {keys} keys, {d} features");
        let heads = query.len() / (queries * d);
        assert_eq!(query.len(), heads * queries * d, "queries");
        assert_eq!(key.len(), heads * keys * d, "keys");
        assert_eq!(v.len(), d, "v");
        heads
    }

    #[inline(always)]
    fn query_row(&self, head: usize, i: usize) -> &'a [f32] {
        &self.query[(head * self.queries + i) * self.d..][..self.d]
    }

    #[inline(always)]
    fn key_row(&self, head: usize, j: usize) -> &'a [f32] {
        &self.key[(head * self.keys + j) * self.d..][..self.d]
    }
}

/// The scores `[heads, queries, keys]`.
pub(crate) fn forward(isa: Isa, pairs: Pairs) -> Vec<f32> {
    let Pairs { queries, keys, d, .. } = pairs;
    let count = pairs.heads() * queries * keys;
    // SAFETY: a task writes all of its scores.
    let [scores] = unsafe {
        fill_chunks([count], [SCORES], TANH * count * d, |index, [to]| {
            f32::run(isa, Forward { pairs, first: index * SCORES, to });
        })
    };
    scores
}

/// Some scores, of whatever queries.
struct Forward<'a> {
    pairs: Pairs<'a>,
    first: usize,
    to: &'a mut Uninit,
}

impl Op<f32> for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Pairs { v, queries, keys, d, .. } = self.pairs;
        for (index, to) in self.to.iter_mut().enumerate() {
            let (row, j) = ((self.first + index) / keys, (self.first + index) % keys);
            let (head, i) = (row / queries, row % queries);
            let (query, key) = (self.pairs.query_row(head, i), self.pairs.key_row(head, j));
            let mut sum = simd.splat(0.0);
            for at in (0..d).step_by(S::LANES) {
                let hidden = simd.add(load(simd, query, at), load(simd, key, at));
                sum = simd.fma(load(simd, v, at), simd.tanh(hidden), sum);
            }
            to.write(simd.sum(sum));
        }
    }
}

/// The gradients of queries, keys and `v`, of that of the scores.
pub(crate) fn backward(isa: Isa, pairs: Pairs, gradient: &[f32]) -> [Vec<f32>; 3] {
    let Pairs { query, key, queries, keys, d, .. } = pairs;
    let heads = pairs.heads();
    assert_eq!(gradient.len(), heads * queries * keys, "gradient");
    let lengths = [query.len(), key.len(), heads * d];
    let mut outputs = lengths.map(|length| {
        let output = Vec::with_capacity(length);
        pages::prefer_large_pages(output.as_ptr(), length);
        output
    });
    let to = outputs.each_mut().map(|output| SharedPtr(output.as_mut_ptr()));
    let panels = d.div_ceil(FEATURES);
    run_tasks(
        heads * panels,
        TANH * gradient.len() * d,
        || vec![0.0; keys * WIDEST],
        |of_keys, task| {
            let (head, first) = (task / panels, task % panels * FEATURES);
            f32::run(isa, Panel { pairs, gradient, head, first, of_keys, to });
        },
    );
    for (output, length) in outputs.iter_mut().zip(lengths) {
        // SAFETY: that capacity was allocated, and the panels of all heads are all features of all rows.
        unsafe { output.set_len(length) };
    }
    let [of_query, of_key, of_v] = outputs;
    // Of the heads, in their order.
    [of_query, of_key, sum_rows(isa, &of_v, d)]
}

/// Some features of a head, and their gradients.
struct Panel<'a> {
    pairs: Pairs<'a>,
    gradient: &'a [f32],
    head: usize,
    /// Of [`FEATURES`], or those that are left.
    first: usize,
    /// Sums of the keys' gradients, a vector for each.
    of_keys: &'a mut [f32],
    /// `[heads, queries, d]`, `[heads, keys, d]` and `[heads, d]`
    to: [SharedPtr<f32>; 3],
}

impl Op<f32> for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { pairs, gradient, head, first, of_keys, to: [to_query, to_key, to_v] } = self;
        let Pairs { v, queries, keys, d, .. } = pairs;
        let width = FEATURES.min(d - first);
        let one = simd.splat(1.0);
        for at in (0..width).step_by(S::LANES) {
            let v = load(simd, v, first + at);
            let mut of_v = simd.splat(0.0);
            of_keys.fill(0.0);
            for i in 0..queries {
                let row = head * queries + i;
                let query = load(simd, pairs.query_row(head, i), first + at);
                let gradient = &gradient[row * keys..][..keys];
                let mut of_query = simd.splat(0.0);
                for (j, &gradient) in gradient.iter().enumerate() {
                    if gradient == 0.0 {
                        continue;
                    }
                    let gradient = simd.splat(gradient);
                    let key = load(simd, pairs.key_row(head, j), first + at);
                    let tanh = simd.tanh(simd.add(query, key));
                    of_v = simd.fma(gradient, tanh, of_v);
                    let slope = simd.sub(one, simd.mul(tanh, tanh));
                    let of_hidden = simd.mul(gradient, slope);
                    of_query = simd.add(of_query, of_hidden);
                    let sum = simd.add(load(simd, of_keys, j * S::LANES), of_hidden);
                    overwrite(simd, of_keys, j * S::LANES, sum);
                }
                // SAFETY: a row of the gradient of this head's queries, whose features are this task's.
                let to = unsafe { features(to_query, row, d, first..first + width) };
                store(simd, to, at, simd.mul(of_query, v));
            }
            // SAFETY: the head's row of its sums, likewise.
            let to = unsafe { features(to_v, head, d, first..first + width) };
            store(simd, to, at, of_v);
            for j in 0..keys {
                // SAFETY: a row of the gradient of this head's keys, likewise.
                let to = unsafe { features(to_key, head * keys + j, d, first..first + width) };
                store(simd, to, at, simd.mul(load(simd, of_keys, j * S::LANES), v));
            }
        }
    }
}

/// Features of a row of `d` numbers.
///
/// # Safety
/// There must be such a row, and no other thread may touch these features while the slice is in use.
#[inline(always)]
unsafe fn features<'a>(
    rows: SharedPtr<f32>,
    row: usize,
    d: usize,
    which: Range<usize>,
) -> &'a mut Uninit {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(rows.at(row * d + which.start).cast(), which.len()) }
}
