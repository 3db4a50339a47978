//! Layer and root-mean-square normalization of rows, each direction in one pass over memory.

use super::chunks::{Uninit, fill_chunks, for_each_chunk, load, overwrite, select_first, store};
use super::simd::{Isa, Op, Real, Simd};

/// Rows of a task. Not a matter of threads: it decides how the gradients of gain and shift round.
const CHUNK: usize = 64;

/// Rows of `gain.len()` numbers, and how they are normalized.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) gain: &'a [f32],
    pub(crate) shift: Option<&'a [f32]>,
    /// Whether the mean is subtracted.
    pub(crate) centered: bool,
    pub(crate) epsilon: f32,
}

impl Rows<'_> {
    fn chunk(self, index: usize) -> Self {
        let size = CHUNK * self.gain.len();
        Self { x: &self.x[index * size..self.x.len().min((index + 1) * size)], ..self }
    }

    /// Mean and `1 / sqrt(mean of squares + epsilon)` of a row, in two passes: in one, a large mean
    /// would drown the squares.
    #[inline(always)]
    fn statistics<S: Simd<T = f32>>(&self, simd: S, x: &[f32]) -> (S::V, S::V) {
        let count = x.len() as f32;
        let mut mean = simd.splat(0.0);
        if self.centered {
            let mut sum = simd.splat(0.0);
            for at in (0..x.len()).step_by(S::LANES) {
                sum = simd.add(sum, load(simd, x, at));
            }
            mean = simd.splat(simd.sum(sum) / count);
        }
        let mut squares = simd.splat(0.0);
        for at in (0..x.len()).step_by(S::LANES) {
            let centered = simd.sub(load(simd, x, at), mean);
            let centered = select_first(simd, x.len() - at, centered, simd.splat(0.0));
            squares = simd.fma(centered, centered, squares);
        }
        (mean, simd.splat(1.0 / (simd.sum(squares) / count + self.epsilon).sqrt()))
    }
}

/// `(x - mean) / sqrt(mean of squares + epsilon) · gain + shift`.
pub(crate) fn forward(isa: Isa, rows: Rows) -> Vec<f32> {
    let size = rows.x.len();
    // SAFETY: a chunk writes all of its rows.
    let [y] = unsafe {
        fill_chunks([size], [CHUNK * rows.gain.len()], 8 * size, |index, [to]| {
            f32::run(isa, Forward { rows: rows.chunk(index), to });
        })
    };
    y
}

/// Turns the gradient of the result into that of `x`, plus that of other readers of `x`; those of
/// gain and shift.
pub(crate) fn backward(
    isa: Isa,
    rows: Rows,
    gradient: &mut [f32],
    plus: Option<&[f32]>,
) -> [Vec<f32>; 2] {
    let (size, width) = (rows.x.len(), rows.gain.len());
    assert_eq!(gradient.len(), size, "a gradient of another size");
    assert!(plus.is_none_or(|plus| plus.len() == size), "a gradient of another size");
    let mut sums = vec![0.0; size.div_ceil(CHUNK * width) * 2 * width];
    let sizes = [CHUNK * width, 2 * width];
    for_each_chunk([gradient, &mut sums], sizes, 16 * size, |index, [gradient, sums]| {
        let plus = plus.map(|plus| &plus[index * CHUNK * width..][..gradient.len()]);
        f32::run(isa, Backward { rows: rows.chunk(index), gradient, plus, sums });
    });
    let (mut d_gain, mut d_shift) = (vec![0.0; width], vec![0.0; width]);
    for part in sums.chunks_exact(2 * width) {
        let (gain, shift) = part.split_at(width);
        d_gain.iter_mut().zip(gain).for_each(|(sum, x)| *sum += x);
        d_shift.iter_mut().zip(shift).for_each(|(sum, x)| *sum += x);
    }
    [d_gain, d_shift]
}

struct Forward<'a> {
    rows: Rows<'a>,
    to: &'a mut Uninit,
}

impl Op<f32> for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { rows, to } = self;
        let width = rows.gain.len();
        for (x, to) in rows.x.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
            let (mean, scale) = rows.statistics(simd, x);
            for at in (0..width).step_by(S::LANES) {
                let normal = simd.mul(simd.sub(load(simd, x, at), mean), scale);
                let gain = load(simd, rows.gain, at);
                let y = match rows.shift {
                    Some(shift) => simd.fma(normal, gain, load(simd, shift, at)),
                    None => simd.mul(normal, gain),
                };
                store(simd, to, at, y);
            }
        }
    }
}

/// With `n` the normalized row and `g` its gradient, `gradient · gain`:
/// `dx = (g - mean(g) - n · mean(g n)) · scale`, the first mean only where rows are centered.
struct Backward<'a> {
    rows: Rows<'a>,
    gradient: &'a mut [f32],
    plus: Option<&'a [f32]>,
    /// Gradients of gain and shift, of these rows: 0 so far.
    sums: &'a mut [f32],
}

impl Op<f32> for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { rows, gradient, plus, sums } = self;
        let width = rows.gain.len();
        let zero = simd.splat(0.0);
        let (d_gain, d_shift) = sums.split_at_mut(width);
        let pairs = rows.x.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
        for (index, (x, gradient)) in pairs.enumerate() {
            let plus = plus.map(|plus| &plus[index * width..][..width]);
            let (mean, scale) = rows.statistics(simd, x);
            let (mut sum, mut product) = (zero, zero);
            for at in (0..width).step_by(S::LANES) {
                // Behind the end the gradient is 0.
                let outer = load(simd, gradient, at);
                let inner = simd.mul(outer, load(simd, rows.gain, at));
                let normal = simd.mul(simd.sub(load(simd, x, at), mean), scale);
                sum = simd.add(sum, inner);
                product = simd.fma(inner, normal, product);
                let sum = simd.fma(outer, normal, load(simd, d_gain, at));
                overwrite(simd, d_gain, at, sum);
                let sum = simd.add(outer, load(simd, d_shift, at));
                overwrite(simd, d_shift, at, sum);
            }
            // Now their means.
            sum = if rows.centered { simd.splat(simd.sum(sum) / width as f32) } else { zero };
            product = simd.splat(simd.sum(product) / width as f32);
            for at in (0..width).step_by(S::LANES) {
                let inner = simd.mul(load(simd, gradient, at), load(simd, rows.gain, at));
                let normal = simd.mul(simd.sub(load(simd, x, at), mean), scale);
                let along = simd.mul(normal, product);
                let rest = simd.sub(simd.sub(inner, sum), along);
                let of_x = match plus {
                    None => simd.mul(rest, scale),
                    Some(plus) => simd.fma(rest, scale, load(simd, plus, at)),
                };
                overwrite(simd, gradient, at, of_x);
            }
        }
    }
}
