//! From products of queries and keys to scores.

use super::problem::Problem;
use super::simd::{LINE, Real, Simd};
use crate::layout::View;
use crate::parameters::{COLUMN_STEP, DropoutMask, MULTIPLIERS, Options};
use std::ops::Range;

/// How a product becomes a score: `soft-cap(scale · q·k) + bias`.
///
/// Scores stay in natural units until their largest is subtracted: the difference of two large
/// numbers is exact, and that of their rounded multiples is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores<'a, T> {
    pub scale: T,
    softcap: Option<Softcap<T>>,
    bias: Option<View<'a, T>>,
    sinks: bool,
}

/// `limit · tanh(slope · q·k)`
#[derive(Clone, Copy, Debug)]
struct Softcap<T> {
    slope: T,
    limit: T,
}

impl<'a, T: Real> Scores<'a, T> {
    pub(super) fn of(problem: &Problem<'a, T>) -> Self {
        let Options { scale, softcap, .. } = *problem.options;
        Self {
            scale: T::from_f64(scale),
            softcap: softcap
                .map(|cap| Softcap { slope: T::from_f64(scale / cap), limit: T::from_f64(cap) }),
            bias: problem.bias,
            sinks: problem.sink.is_some(),
        }
    }

    /// What one unit of the numbers is that the forward pass compares: products serve as they are
    /// if the scores are a positive multiple of them, and nothing else is a score.
    #[inline(always)]
    pub(super) fn unit(&self) -> Option<T> {
        let multiples = self.softcap.is_none() && self.bias.is_none() && !self.sinks;
        (multiples && self.scale > T::ZERO).then_some(self.scale)
    }

    /// The scores of products, and the slope of the soft-cap there.
    ///
    /// # Safety
    /// `bias` must have been made for this row, and `key` and those behind it, up to
    /// `keys`, be within it.
    #[inline(always)]
    pub(super) unsafe fn of_products<S: Simd<T = T>>(
        &self,
        simd: S,
        products: S::V,
        bias: Option<BiasRow<T>>,
        key: usize,
        keys: usize,
    ) -> (S::V, Option<S::V>) {
        let (scores, slope) = match self.softcap {
            None => (simd.mul(products, simd.splat(self.scale)), None),
            Some(Softcap { slope, limit }) => {
                let tanh = simd.tanh(simd.mul(products, simd.splat(slope)));
                let one = simd.splat(T::ONE);
                let derivative = simd.sub(one, simd.mul(tanh, tanh));
                (simd.mul(tanh, simd.splat(limit)), Some(derivative))
            }
        };
        let Some(bias) = bias else { return (scores, slope) };
        // SAFETY: the caller's promise.
        let bias = unsafe { bias.load(simd, key, keys) };
        (simd.add(scores, bias), slope)
    }

    /// Asks for the bias of some queries and keys, which lies in memory, as it is read once: while
    /// the products are computed, it comes. What is broadcast is near.
    #[inline(always)]
    pub(super) fn prefetch_bias<S: Simd<T = T>>(
        &self,
        simd: S,
        [b, h]: [usize; 2],
        queries: Range<usize>,
        keys: Range<usize>,
    ) {
        let Some(view) = self.bias else { return };
        let [sb, sh, si, sj] = view.strides;
        if si == 0 || sj == 0 {
            return;
        }
        for i in queries {
            for j in keys.clone().step_by(LINE / size_of::<T>()) {
                simd.prefetch(view.data.as_ptr().wrapping_add(b * sb + h * sh + i * si + j));
            }
        }
    }

    /// # Safety
    /// The indices must be within the shape that the bias was checked against.
    #[inline(always)]
    pub(super) unsafe fn bias_row(&self, b: usize, h: usize, i: usize) -> Option<BiasRow<T>> {
        self.bias.map(|view| {
            let [sb, sh, si, sj] = view.strides;
            // SAFETY: the caller's promise; a dimension of size 1 has stride 0.
            let start = unsafe { view.data.as_ptr().add(b * sb + h * sh + i * si) };
            BiasRow { start, broadcast: sj == 0 }
        })
    }
}

/// A row of the bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct BiasRow<T> {
    start: *const T,
    /// One number for all keys.
    broadcast: bool,
}

impl<T: Real> BiasRow<T> {
    /// Those of keys `key` and on; 0 from `keys` on.
    ///
    /// # Safety
    /// The row has `keys` numbers.
    #[inline(always)]
    unsafe fn load<S: Simd<T = T>>(self, simd: S, key: usize, keys: usize) -> S::V {
        // SAFETY: the caller's promise; what lies behind the row is not read.
        unsafe {
            if self.broadcast {
                simd.splat(*self.start)
            } else if key + S::LANES <= keys {
                simd.load(self.start.add(key))
            } else {
                let mut lanes = [T::ZERO; 16];
                for (k, lane) in lanes.iter_mut().enumerate().take(keys - key) {
                    *lane = *self.start.add(key + k);
                }
                simd.load(lanes.as_ptr())
            }
        }
    }
}

/// Which weights of a row are kept: [`DropoutMask`] in vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowDropout {
    low: u32,
    high: u32,
    threshold: u32,
}

impl RowDropout {
    #[inline(always)]
    pub(super) fn new(mask: &DropoutMask, row: u64) -> Self {
        let key = mask.row_key(row);
        Self { low: key as u32, high: (key >> 32) as u32, threshold: mask.threshold() }
    }

    /// Those of columns `first` and on.
    #[inline(always)]
    pub(super) fn at<S: Simd>(self, simd: S, first: u32) -> S::M {
        let columns = simd.mul_u32(simd.count_from(first), simd.splat_u32(COLUMN_STEP));
        let mut x = simd.add_u32(simd.splat_u32(self.low), columns);
        x = simd.xor_u32(x, simd.shift_right::<16>(x));
        x = simd.mul_u32(x, simd.splat_u32(MULTIPLIERS[0]));
        x = simd.xor_u32(x, simd.shift_right::<15>(x));
        x = simd.xor_u32(x, simd.splat_u32(self.high));
        x = simd.mul_u32(x, simd.splat_u32(MULTIPLIERS[1]));
        x = simd.xor_u32(x, simd.shift_right::<16>(x));
        simd.at_least(x, simd.splat_u32(self.threshold))
    }
}

/// The log-sum-exp of a row, and what rounding has left of it, from the largest score and the sum of
/// the weights relative to that; −∞ and 0 of nothing.
#[inline(always)]
pub(super) fn normalizer<T: Real>(largest: T, total: T) -> [T; 2] {
    if total == T::ZERO {
        return [T::NEG_INFINITY, T::ZERO];
    }
    let log_total = total.ln();
    let log_sum_exp = largest + log_total;
    [log_sum_exp, (largest - log_sum_exp) + log_total]
}
