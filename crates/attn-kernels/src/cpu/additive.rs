//! Scores of additive attention, `v · tanh(q + k)` of all pairs, whose hidden layer is in registers
//! alone: it is computed in the forward pass and again in the backward one.

use super::fill::{Fresh, fill, load, overwrite, store};
use super::linear::sum_of_rows;
use super::schedule::{Shared, each};
use super::simd::{Isa, Op, Real, Simd};
use std::mem::MaybeUninit;

/// Queries of a task of the forward pass.
const QUERIES: usize = 8;

/// Features of a task of the backward pass, where they have nothing to do with each other: whole
/// vectors, and lines of the cache.
const FEATURES: usize = 64;

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
    pub(crate) energy: &'a [f32],
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
        let &Self { query, key, energy, queries, keys, d } = self;
        assert!(queries * keys * d > 0, "{queries} queries, {keys} keys, {d} features");
        let heads = query.len() / (queries * d);
        assert_eq!(query.len(), heads * queries * d, "queries");
        assert_eq!(key.len(), heads * keys * d, "keys");
        assert_eq!(energy.len(), d, "energy");
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
    // SAFETY: a task writes the scores of all its queries.
    let [scores] = unsafe {
        fill([count], [QUERIES * keys], TANH * count * d, |index, [to]| {
            f32::run(isa, Forward { pairs, first: index * QUERIES, to });
        })
    };
    scores
}

/// Some queries, of whatever heads.
struct Forward<'a> {
    pairs: Pairs<'a>,
    first: usize,
    to: &'a mut Fresh,
}

impl Op<f32> for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Pairs { energy, queries, keys, d, .. } = self.pairs;
        for (row, to) in self.to.chunks_exact_mut(keys).enumerate() {
            let (head, i) = ((self.first + row) / queries, (self.first + row) % queries);
            let query = self.pairs.query_row(head, i);
            for (j, to) in to.iter_mut().enumerate() {
                let key = self.pairs.key_row(head, j);
                let mut sum = simd.splat(0.0);
                for at in (0..d).step_by(S::LANES) {
                    let hidden = simd.add(load(simd, query, at), load(simd, key, at));
                    sum = simd.fma(load(simd, energy, at), simd.tanh(hidden), sum);
                }
                to.write(simd.sum(sum));
            }
        }
    }
}

/// The gradients of queries, keys and energy, of that of the scores.
pub(crate) fn backward(isa: Isa, pairs: Pairs, gradient: &[f32]) -> [Vec<f32>; 3] {
    let Pairs { query, key, queries, keys, d, .. } = pairs;
    let heads = pairs.heads();
    assert_eq!(gradient.len(), heads * queries * keys, "gradient");
    let mut outputs = [query.len(), key.len(), heads * d].map(Vec::with_capacity);
    let to = outputs.each_mut().map(|output| Shared(output.as_mut_ptr()));
    let panels = d.div_ceil(FEATURES);
    each(
        heads * panels,
        TANH * gradient.len() * d,
        || vec![0.0; keys * FEATURES],
        |of_keys, task| {
            let (head, first) = (task / panels, task % panels * FEATURES);
            f32::run(isa, Panel { pairs, gradient, head, first, of_keys, to });
        },
    );
    for (output, count) in outputs.iter_mut().zip([query.len(), key.len(), heads * d]) {
        // SAFETY: that many were asked for, and the panels of all heads are all features of all rows.
        unsafe { output.set_len(count) };
    }
    let [of_query, of_key, of_energy] = outputs;
    // Of the heads, in their order.
    [of_query, of_key, sum_of_rows(isa, &of_energy, d)]
}

/// Some features of a head, and their gradients.
struct Panel<'a> {
    pairs: Pairs<'a>,
    gradient: &'a [f32],
    head: usize,
    /// Of [`FEATURES`], or those that are left.
    first: usize,
    /// Sums of the keys' gradients, a row of [`FEATURES`] for each.
    of_keys: &'a mut [f32],
    /// `[heads, queries, d]`, `[heads, keys, d]` and `[heads, d]`
    to: [Shared<f32>; 3],
}

impl Op<f32> for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { pairs, gradient, head, first, of_keys, to: [to_query, to_key, to_energy] } =
            self;
        let Pairs { energy, queries, keys, d, .. } = pairs;
        let width = FEATURES.min(d - first);
        let one = simd.splat(1.0);
        // Of a row of `d` numbers of this head, in an output.
        let panel = |row: *mut f32| {
            // SAFETY: these features of the row are this task's alone, and it has one slice at a time.
            unsafe {
                std::slice::from_raw_parts_mut(row.add(first).cast::<MaybeUninit<f32>>(), width)
            }
        };

        of_keys.fill(0.0);
        for at in (0..width).step_by(S::LANES) {
            let energy = load(simd, energy, first + at);
            let mut of_energy = simd.splat(0.0);
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
                    of_energy = simd.fma(gradient, tanh, of_energy);
                    let slope = simd.sub(one, simd.mul(tanh, tanh));
                    let of_hidden = simd.mul(gradient, slope);
                    of_query = simd.add(of_query, of_hidden);
                    let sum = simd.add(load(simd, of_keys, j * FEATURES + at), of_hidden);
                    overwrite(simd, of_keys, j * FEATURES + at, sum);
                }
                // SAFETY: within the gradient of the queries.
                let to = panel(unsafe { to_query.at(row * d) });
                store(simd, to, at, simd.mul(of_query, energy));
            }
            // SAFETY: within the sums of the heads.
            store(simd, panel(unsafe { to_energy.at(head * d) }), at, of_energy);
            for j in 0..keys {
                // SAFETY: within the gradient of the keys.
                let to = panel(unsafe { to_key.at((head * keys + j) * d) });
                let of_key = load(simd, of_keys, j * FEATURES + at);
                store(simd, to, at, simd.mul(of_key, energy));
            }
        }
    }
}
