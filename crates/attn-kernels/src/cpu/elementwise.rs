//! Functions of the elements of slices, on all threads.

use super::fill::{Fresh, fill, load, store};
use super::simd::{Isa, Op, Real, Simd};

/// Elements of a task: of each slice, what fits the first-level cache.
const CHUNK: usize = 4096;

/// A function of `IN` numbers that gives `OUT`, of vectors of them.
pub(super) trait Function<const IN: usize, const OUT: usize>: Copy + Sync {
    fn call<S: Simd<T = f32>>(self, simd: S, x: [S::V; IN]) -> [S::V; OUT];
}

/// The function of each element.
///
/// # Panics
/// If the slices are not of one length.
pub(super) fn map<const IN: usize, const OUT: usize>(
    isa: Isa,
    inputs: [&[f32]; IN],
    function: impl Function<IN, OUT>,
) -> [Vec<f32>; OUT] {
    let size = inputs[0].len();
    assert!(inputs.iter().all(|input| input.len() == size), "slices of different lengths");
    // SAFETY: a chunk writes all of its outputs.
    unsafe {
        fill(
            [size; OUT],
            [CHUNK; OUT],
            4 * size,
            || (),
            |(), index, outputs| {
                let range = index * CHUNK..size.min((index + 1) * CHUNK);
                let inputs = inputs.map(|input| &input[range.clone()]);
                f32::run(isa, Chunk { inputs, outputs, function });
            },
        )
    }
}

struct Chunk<'a, F, const IN: usize, const OUT: usize> {
    inputs: [&'a [f32]; IN],
    outputs: [&'a mut Fresh; OUT],
    function: F,
}

impl<F: Function<IN, OUT>, const IN: usize, const OUT: usize> Op<f32> for Chunk<'_, F, IN, OUT> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(mut self, simd: S) {
        for at in (0..self.inputs[0].len()).step_by(S::LANES) {
            let mut x = [simd.splat(0.0); IN];
            for (x, input) in x.iter_mut().zip(self.inputs) {
                *x = load(simd, input, at);
            }
            let y = self.function.call(simd, x);
            for (to, y) in self.outputs.iter_mut().zip(y) {
                store(simd, to, at, y);
            }
        }
    }
}
