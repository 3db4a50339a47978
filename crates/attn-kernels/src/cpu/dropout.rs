//! Dropout of rows, with what is added to them.

use super::chunks::{Uninit, as_uninit, assume_init, fill_chunks, for_each_chunk, load, store};
use super::scores::RowDropout;
use super::simd::{Isa, Op, Real, Simd};
use crate::parameters::DropoutMask;

/// Elements of a task, about.
const CHUNK: usize = 4096;

/// Rows, how they are dropped, and what is added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutRows<'a> {
    pub(crate) width: usize,
    pub(crate) mask: &'a DropoutMask,
    pub(crate) plus: Option<&'a [f32]>,
}

impl<'a> DropoutRows<'a> {
    /// Keeps and scales, or drops, each element where it is.
    pub(crate) fn in_place(self, isa: Isa, x: &mut [f32]) {
        let (size, part) = (x.len(), self.part(x.len()));
        for_each_chunk([x], [part], 4 * size, |index, [x]| {
            // SAFETY: `Rows` writes numbers.
            let to = unsafe { as_uninit(x) };
            f32::run(isa, self.rows(index * part, None, to));
        });
    }

    /// [`in_place`](Self::in_place) of a copy.
    pub(crate) fn of(self, isa: Isa, x: &[f32]) -> Vec<f32> {
        let (size, part) = (x.len(), self.part(x.len()));
        // SAFETY: a task writes all of its rows.
        let [dropped] = unsafe {
            fill_chunks([size], [part], 4 * size, |index, [to]| {
                let x = &x[index * part..][..to.len()];
                f32::run(isa, self.rows(index * part, Some(x), to));
            })
        };
        dropped
    }

    /// Elements of a task, whole rows.
    fn part(&self, size: usize) -> usize {
        assert!(size.is_multiple_of(self.width), "{size} elements in rows of {}", self.width);
        assert!(self.plus.is_none_or(|plus| plus.len() == size), "slices of different lengths");
        CHUNK.div_ceil(self.width.max(1)) * self.width
    }

    /// The rows from element `first` on.
    fn rows<'b>(self, first: usize, x: Option<&'b [f32]>, to: &'b mut Uninit) -> Rows<'b>
    where
        'a: 'b,
    {
        let Self { width, mask, plus } = self;
        let plus = plus.map(|plus| &plus[first..][..to.len()]);
        Rows { x, to, plus, width, mask, row: first / width.max(1) }
    }
}

struct Rows<'a> {
    /// `None`: what is there is what is dropped.
    x: Option<&'a [f32]>,
    to: &'a mut Uninit,
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
        let Self { x, to, plus, width, mask, row } = self;
        let (factor, zero) = (simd.splat(mask.kept_factor() as f32), simd.splat(0.0));
        for (index, to) in to.chunks_exact_mut(width).enumerate() {
            let keeps = RowDropout::new(mask, (row + index) as u64);
            let x = x.map(|x| &x[index * width..][..width]);
            let plus = plus.map(|plus| &plus[index * width..][..width]);
            for at in (0..width).step_by(S::LANES) {
                let kept = keeps.at(simd, at as u32);
                // Multiplied, not selected: NaN times 0 is NaN, as in `x * factors`.
                let factors = simd.select(kept, factor, zero);
                let before = match x {
                    Some(x) => load(simd, x, at),
                    // SAFETY: without another source, what is there are numbers.
                    None => load(simd, unsafe { assume_init(to) }, at),
                };
                let after = match plus {
                    Some(plus) => simd.fma(before, factors, load(simd, plus, at)),
                    None => simd.mul(before, factors),
                };
                store(simd, to, at, after);
            }
        }
    }
}
