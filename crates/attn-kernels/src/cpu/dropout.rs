//! Dropout of rows, with what is added to them.

use super::fill::{load, overwrite, parts};
use super::scores::Keeps;
use super::simd::{Isa, Op, Real, Simd};
use crate::DropoutMask;

/// Elements of a task, about.
const CHUNK: usize = 4096;

/// Keeps and scales, or drops, each element of rows of `width`, and adds those of another slice.
pub(crate) fn dropout(
    isa: Isa,
    x: &mut [f32],
    width: usize,
    mask: &DropoutMask,
    plus: Option<&[f32]>,
) {
    let size = x.len();
    assert!(plus.is_none_or(|plus| plus.len() == size), "slices of different lengths");
    let rows = CHUNK.div_ceil(width.max(1));
    parts([x], [rows * width], 4 * size, |index, [x]| {
        let first = index * rows * width;
        let plus = plus.map(|plus| &plus[first..first + x.len()]);
        f32::run(isa, Rows { x, plus, width, mask, row: index * rows });
    });
}

struct Rows<'a> {
    x: &'a mut [f32],
    plus: Option<&'a [f32]>,
    width: usize,
    mask: &'a DropoutMask,
    /// Index of the first.
    row: usize,
}

impl Op<f32> for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { x, plus, width, mask, row } = self;
        let (factor, zero) = (simd.splat(mask.kept_factor() as f32), simd.splat(0.0));
        for (index, x) in x.chunks_exact_mut(width).enumerate() {
            let keeps = Keeps::row(mask, (row + index) as u64);
            let plus = plus.map(|plus| &plus[index * width..][..width]);
            for at in (0..width).step_by(S::LANES) {
                let kept = keeps.at(simd, at as u32);
                // Multiplied, not selected: NaN times 0 is NaN, as in `x * factors`.
                let factors = simd.select(kept, factor, zero);
                let before = load(simd, x, at);
                let after = match plus {
                    Some(plus) => simd.fma(before, factors, load(simd, plus, at)),
                    None => simd.mul(before, factors),
                };
                overwrite(simd, x, at, after);
            }
        }
    }
}
