//! Vectors of a processor, chosen at run time.
//!
//! An algorithm is written once, as an [`Op`] over any [`Simd`], and compiled once for each
//! instruction set by [`Simd::run`]. A value of an instruction set's type exists only where the
//! processor has been found to have it: that makes the intrinsics behind these methods sound.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod real;
#[cfg(test)]
mod tests;

pub(crate) use isa::{Isa, isa};
pub(crate) use portable::Portable;
pub(crate) use real::Real;

/// Bytes of a line of the cache.
pub(crate) const LINE: usize = 64;

/// The instruction set of a processor, for one type of number.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The numbers.
    type T: Real;
    /// [`LANES`](Self::LANES) of them.
    type V: Copy;
    /// As many counters of 32 bits.
    type U: Copy;
    /// As many truth values.
    type M: Copy;

    /// At most 16, and a divisor of 64.
    const LANES: usize;
    /// Rows of the largest tile of a matrix product, two vectors wide, that the registers hold: a
    /// multiple of 3.
    const ROWS: usize;

    /// Calls an operation that is compiled for this instruction set, as a function of its own.
    fn run<O: Op<Self::T>>(self, op: O) -> O::Output;

    /// All lanes the same.
    fn splat(self, x: Self::T) -> Self::V;

    /// # Safety
    /// `LANES` numbers from there on must be readable.
    unsafe fn load(self, from: *const Self::T) -> Self::V;

    /// # Safety
    /// `LANES` numbers from there on must be writable.
    unsafe fn store(self, to: *mut Self::T, v: Self::V);

    /// Asks for the line of the cache that an address is in, which will be read soon. Any address
    /// will do; where the processor has no such hint, nothing happens.
    #[inline(always)]
    fn prefetch(self, _: *const Self::T) {}

    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;

    /// `a · b + c`, in one rounding where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The larger; `b` if one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// `2^x` to 2 units in the last place for `x` up to 127; 0 below the smallest normal number.
    fn exp2(self, x: Self::V) -> Self::V;

    /// Hyperbolic tangent.
    fn tanh(self, x: Self::V) -> Self::V;

    /// Where `a < b`.
    fn less(self, a: Self::V, b: Self::V) -> Self::M;

    /// `a` where the mask is set, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// Lane `i` is bit `i`.
    fn mask(self, bits: u64) -> Self::M;

    /// Sum of the lanes, in an order of its own.
    fn sum(self, v: Self::V) -> Self::T;

    /// Largest of the lanes.
    fn largest(self, v: Self::V) -> Self::T;

    /// `first`, `first + 1`, …
    fn count_from(self, first: u32) -> Self::U;
    fn splat_u32(self, x: u32) -> Self::U;
    fn add_u32(self, a: Self::U, b: Self::U) -> Self::U;
    fn mul_u32(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor_u32(self, a: Self::U, b: Self::U) -> Self::U;
    fn shift_right<const BITS: i32>(self, a: Self::U) -> Self::U;
    /// Where `a >= b`, unsigned.
    fn at_least(self, a: Self::U, b: Self::U) -> Self::M;

    /// Writes the transpose of a square of `LANES` × `LANES` numbers.
    ///
    /// # Safety
    /// `LANES` rows of `LANES` numbers, `from_row` apart, must be readable, and as many `to_row`
    /// apart writable.
    unsafe fn transpose(
        self,
        from: *const Self::T,
        from_row: usize,
        to: *mut Self::T,
        to_row: usize,
    );
}

/// An algorithm over the vectors of any instruction set.
///
/// `call` and all that it calls must be inlined to be compiled for the instruction set; what is not
/// is entered by a [`Simd::run`] of its own.
pub(crate) trait Op<T> {
    type Output;

    fn call<S: Simd<T = T>>(self, simd: S) -> Self::Output;
}

/// Coefficients of 2^f for f in [-1/2, 1/2], lowest first: minimax in the relative error, which is
/// 2e-9 before rounding.
const EXP2: [f32; 7] = [
    1.0,
    std::f32::consts::LN_2,
    0.240_226_46,
    0.055_503_286,
    0.009_618_489,
    0.001_339_993_1,
    0.000_153_458_12,
];

/// Hyperbolic tangent of f32 numbers: the odd polynomial of Cephes' `tanhf` (Moshier 1992) below
/// 0.625, where the exponential form cancels, and `1 - 2 / (exp(2x) + 1)` above.
#[inline(always)]
fn tanh_f32<S: Simd<T = f32>>(simd: S, x: S::V) -> S::V {
    // Further out it is ±1, and a quotient of two infinite numbers would not be.
    let (zero, limit) = (simd.splat(0.0), simd.splat(-20.0));
    let x = simd.sub(zero, simd.max(limit, simd.sub(zero, simd.max(limit, x))));
    let square = simd.mul(x, x);
    let terms = [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];
    let mut polynomial = simd.splat(-5.704_988_7e-3);
    for term in terms {
        polynomial = simd.fma(polynomial, square, simd.splat(term));
    }
    let small = simd.fma(simd.mul(polynomial, square), x, x);
    let absolute = simd.max(simd.sub(zero, x), x);
    let exp = simd.exp2(simd.mul(absolute, simd.splat(2.0 * std::f32::consts::LOG2_E)));
    let one = simd.splat(1.0);
    let large = simd.sub(one, simd.div(simd.splat(2.0), simd.add(exp, one)));
    // The sign of x, by a quotient that is ±1, and NaN where x is.
    let signed = simd.mul(large, simd.div(x, absolute));
    let is_small = simd.less(absolute, simd.splat(0.625));
    simd.select(is_small, small, signed)
}
