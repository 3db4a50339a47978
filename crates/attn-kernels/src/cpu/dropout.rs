//! Dropout of rows, with what is added to them.

use super::fill::{Fresh, fill, load, store};
use super::scores::Keeps;
use super::simd::{Isa, Op, Real, Simd};
use crate::DropoutMask;

/// Elements of a task, about.
const CHUNK: usize = 4096;

/// Rows of `width` elements of `x`, each kept and scaled or dropped, plus those of another tensor.
pub(crate) fn dropout(
    isa: Isa,
    x: &[f32],
    width: usize,
    mask: &DropoutMask,
    plus: Option<&[f32]>,
) -> Vec<f32> {
    let size = x.len();
    assert!(plus.is_none_or(|plus| plus.len() == size), "slices of different lengths");
    let rows = CHUNK.div_ceil(width);
    // SAFETY: a chunk writes all of its rows.
    let [y] = unsafe {
        fill(
            [size],
            [rows * width],
            4 * size,
            || (),
            |(), index, [to]| {
                let first = index * rows * width;
                let x = &x[first..first + to.len()];
                let plus = plus.map(|plus| &plus[first..first + x.len()]);
                f32::run(isa, Rows { x, plus, width, mask, row: index * rows, to });
            },
        )
    };
    y
}

struct Rows<'a> {
    x: &'a [f32],
    plus: Option<&'a [f32]>,
    width: usize,
    mask: &'a DropoutMask,
    /// Index of the first.
    row: usize,
    to: &'a mut Fresh,
}

impl Op<f32> for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { x, plus, width, mask, row, to } = self;
        let (factor, zero) = (simd.splat(mask.kept_factor() as f32), simd.splat(0.0));
        for (index, (x, to)) in x.chunks_exact(width).zip(to.chunks_exact_mut(width)).enumerate() {
            let keeps = Keeps::row(mask, (row + index) as u64);
            let plus = plus.map(|plus| &plus[index * width..][..width]);
            for at in (0..width).step_by(S::LANES) {
                let kept = keeps.at(simd, at as u32);
                // Multiplied, not selected: NaN times 0 is NaN, as in `x * factors`.
                let factors = simd.select(kept, factor, zero);
                let x = load(simd, x, at);
                let y = match plus {
                    Some(plus) => simd.fma(x, factors, load(simd, plus, at)),
                    None => simd.mul(x, factors),
                };
                store(simd, to, at, y);
            }
        }
    }
}
