//! Functions of the elements of slices, on all threads.

use super::chunks::{Uninit, fill_chunks, for_each_chunk, load, overwrite, store};
use super::simd::{Isa, Op, Real, Simd};
use std::ops::Range;

/// Elements of a task: of each slice, what fits the first-level cache.
const CHUNK: usize = 4096;

/// A function of `IN` numbers, of vectors of them.
pub(super) trait Function<const IN: usize>: Copy + Sync {
    fn call<S: Simd<T = f32>>(self, simd: S, x: [S::V; IN]) -> S::V;
}

/// The function of each element.
///
/// # Panics
/// If the slices are not of one length.
pub(super) fn map<const IN: usize>(
    isa: Isa,
    inputs: [&[f32]; IN],
    function: impl Function<IN>,
) -> Vec<f32> {
    let size = inputs[0].len();
    assert!(inputs.iter().all(|input| input.len() == size), "slices of different lengths");
    // SAFETY: a chunk writes all of its output.
    let [output] = unsafe {
        fill_chunks([size], [CHUNK], 4 * size, |index, [output]| {
            let inputs = inputs.map(|input| &input[chunk(index, size)]);
            f32::run(isa, Map { inputs, output, function });
        })
    };
    output
}

/// A function of `IN` numbers and `N` others, which become its result.
pub(super) trait Change<const IN: usize, const N: usize>: Copy + Sync {
    fn call<S: Simd<T = f32>>(self, simd: S, x: [S::V; IN], y: [S::V; N]) -> [S::V; N];
}

/// Changes each element of some slices.
///
/// # Panics
/// If the slices are not of one length.
pub(super) fn change<const IN: usize, const N: usize>(
    isa: Isa,
    inputs: [&[f32]; IN],
    slices: [&mut [f32]; N],
    change: impl Change<IN, N>,
) {
    let size = slices[0].len();
    assert!(inputs.iter().all(|input| input.len() == size), "slices of different lengths");
    assert!(slices.iter().all(|slice| slice.len() == size), "slices of different lengths");
    for_each_chunk(slices, [CHUNK; N], 4 * size, |index, slices| {
        let inputs = inputs.map(|input| &input[chunk(index, size)]);
        f32::run(isa, Changes { inputs, slices, change });
    });
}

fn chunk(index: usize, size: usize) -> Range<usize> {
    index * CHUNK..size.min((index + 1) * CHUNK)
}

// Loops in place of iterators below: what an iterator calls may not be inlined, and then it is not
// compiled for the instruction set.

struct Map<'a, F, const IN: usize> {
    inputs: [&'a [f32]; IN],
    output: &'a mut Uninit,
    function: F,
}

impl<F: Function<IN>, const IN: usize> Op<f32> for Map<'_, F, IN> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        for at in (0..self.output.len()).step_by(S::LANES) {
            let mut x = [simd.splat(0.0); IN];
            for (x, input) in x.iter_mut().zip(self.inputs) {
                *x = load(simd, input, at);
            }
            store(simd, self.output, at, self.function.call(simd, x));
        }
    }
}

struct Changes<'a, F, const IN: usize, const N: usize> {
    inputs: [&'a [f32]; IN],
    slices: [&'a mut [f32]; N],
    change: F,
}

impl<F: Change<IN, N>, const IN: usize, const N: usize> Op<f32> for Changes<'_, F, IN, N> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(mut self, simd: S) {
        for at in (0..self.slices[0].len()).step_by(S::LANES) {
            let mut x = [simd.splat(0.0); IN];
            for (x, input) in x.iter_mut().zip(self.inputs) {
                *x = load(simd, input, at);
            }
            let mut y = [simd.splat(0.0); N];
            for (y, slice) in y.iter_mut().zip(&self.slices) {
                *y = load(simd, slice, at);
            }
            for (slice, y) in self.slices.iter_mut().zip(self.change.call(simd, x, y)) {
                overwrite(simd, slice, at, y);
            }
        }
    }
}
