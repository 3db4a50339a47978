//! Arrays of eight, for the compiler to make vectors of: any processor, and f64.

use super::{Isa, Op, Real, Simd};
use std::array::from_fn;
use std::marker::PhantomData;

const LANES: usize = 8;

/// Plain Rust, compiled for the instruction set that the processor has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable<T> {
    /// Which of the forms of this code to run, where there are two.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    isa: Isa,
    numbers: PhantomData<T>,
}

impl<T> Portable<T> {
    pub(crate) fn new(isa: Isa) -> Self {
        Self { isa, numbers: PhantomData }
    }
}

impl<T: Real> Simd for Portable<T> {
    type T = T;
    type V = [T; LANES];
    type U = [u32; LANES];
    type M = [bool; LANES];

    const LANES: usize = LANES;
    /// Sixteen registers of four f32 hold no more; NEON has twice as many.
    const ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 3 };

    #[inline(always)]
    fn run<O: Op<T>>(self, op: O) -> O::Output {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            #[inline(never)]
            fn avx2<T: Real, O: Op<T>>(simd: Portable<T>, op: O) -> O::Output {
                op.call(simd)
            }
            if !matches!(self.isa, Isa::Portable) {
                // SAFETY: the value in `isa` is proof that the processor has AVX2 and FMA.
                return unsafe { avx2(self, op) };
            }
        }
        op.call(self)
    }

    #[inline(always)]
    fn splat(self, x: T) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const T) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[T; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[T; LANES]>().write_unaligned(v) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        a.map(T::sqrt)
    }

    /// In two roundings where the fused form would be a library call.
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        if cfg!(target_arch = "aarch64") {
            from_fn(|i| T::mul_add(a[i], b[i], c[i]))
        } else {
            from_fn(|i| a[i] * b[i] + c[i])
        }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn exp2(self, x: Self::V) -> Self::V {
        T::exp2_lanes(x)
    }

    #[inline(always)]
    fn tanh(self, x: Self::V) -> Self::V {
        x.map(T::tanh)
    }

    #[inline(always)]
    fn less(self, a: Self::V, b: Self::V) -> Self::M {
        from_fn(|i| a[i] < b[i])
    }

    #[inline(always)]
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V {
        from_fn(|i| if mask[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn mask(self, bits: u64) -> Self::M {
        from_fn(|i| bits >> i & 1 == 1)
    }

    #[inline(always)]
    fn sum(self, v: Self::V) -> T {
        v.into_iter().fold(T::ZERO, |sum, x| sum + x)
    }

    #[inline(always)]
    fn largest(self, v: Self::V) -> T {
        v.into_iter().fold(T::NEG_INFINITY, |max, x| if max > x { max } else { x })
    }

    #[inline(always)]
    fn count_from(self, first: u32) -> Self::U {
        from_fn(|i| first.wrapping_add(i as u32))
    }

    #[inline(always)]
    fn splat_u32(self, x: u32) -> Self::U {
        [x; LANES]
    }

    #[inline(always)]
    fn add_u32(self, a: Self::U, b: Self::U) -> Self::U {
        from_fn(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn mul_u32(self, a: Self::U, b: Self::U) -> Self::U {
        from_fn(|i| a[i].wrapping_mul(b[i]))
    }

    #[inline(always)]
    fn xor_u32(self, a: Self::U, b: Self::U) -> Self::U {
        from_fn(|i| a[i] ^ b[i])
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: Self::U) -> Self::U {
        a.map(|x| x >> BITS)
    }

    #[inline(always)]
    fn at_least(self, a: Self::U, b: Self::U) -> Self::M {
        from_fn(|i| a[i] >= b[i])
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const T, from_row: usize, to: *mut T, to_row: usize) {
        for row in 0..LANES {
            for column in 0..LANES {
                // SAFETY: within the squares that the caller promises.
                unsafe { *to.add(column * to_row + row) = *from.add(row * from_row + column) };
            }
        }
    }
}
