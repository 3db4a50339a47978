//! The sum of the squares of a slice.

use super::chunks::{Uninit, fill_chunks, load};
use super::simd::{Isa, Op, Real, Simd};

/// Elements of a part. Not a matter of threads: it decides how the sum rounds.
const CHUNK: usize = 4096;

pub(crate) fn sum_of_squares(isa: Isa, x: &[f32]) -> f32 {
    // SAFETY: a chunk writes its sum.
    let [sums] = unsafe {
        fill_chunks([x.len().div_ceil(CHUNK)], [1], 2 * x.len(), |index, [to]| {
            let x = &x[index * CHUNK..x.len().min((index + 1) * CHUNK)];
            f32::run(isa, Chunk { x, to });
        })
    };
    sums.into_iter().map(f64::from).sum::<f64>() as f32
}

struct Chunk<'a> {
    x: &'a [f32],
    /// One number.
    to: &'a mut Uninit,
}

impl Op<f32> for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let mut sum = simd.splat(0.0);
        for at in (0..self.x.len()).step_by(S::LANES) {
            let x = load(simd, self.x, at);
            sum = simd.fma(x, x, sum);
        }
        self.to[0].write(simd.sum(sum));
    }
}
