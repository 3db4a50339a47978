//! The numbers that kernels compute with.

use super::{Isa, Op, Portable, Simd};
use std::fmt::Debug;

/// `f32` or `f64`.
pub(crate) trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const LOG2_E: Self;

    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    fn exp2(self) -> Self;
    fn ln(self) -> Self;
    fn tanh(self) -> Self;
    fn sqrt(self) -> Self;
    fn is_finite(self) -> bool;
    fn is_nan(self) -> bool;
    /// `self · a + b` in one rounding.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// 2^x of many, in a form that the compiler can vectorize.
    fn exp2_lanes<const N: usize>(x: [Self; N]) -> [Self; N];

    /// Runs an operation by the given instruction set, or the nearest that has these numbers.
    fn run<O: Op<Self>>(isa: Isa, op: O) -> O::Output;
}

/// What the standard library has for both, under the same names.
macro_rules! standard {
    ($float:ident) => {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        const INFINITY: Self = $float::INFINITY;
        const NEG_INFINITY: Self = $float::NEG_INFINITY;
        const LOG2_E: Self = std::$float::consts::LOG2_E;

        #[inline(always)]
        fn from_f64(x: f64) -> Self {
            x as $float
        }

        #[inline(always)]
        fn to_f64(self) -> f64 {
            self.into()
        }

        #[inline(always)]
        fn exp2(self) -> Self {
            self.exp2()
        }

        #[inline(always)]
        fn ln(self) -> Self {
            self.ln()
        }

        #[inline(always)]
        fn tanh(self) -> Self {
            self.tanh()
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            self.sqrt()
        }

        #[inline(always)]
        fn is_finite(self) -> bool {
            self.is_finite()
        }

        #[inline(always)]
        fn is_nan(self) -> bool {
            self.is_nan()
        }

        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            self.mul_add(a, b)
        }
    };
}

impl Real for f32 {
    standard!(f32);

    #[inline(always)]
    fn exp2_lanes<const N: usize>(x: [f32; N]) -> [f32; N] {
        let mut y = [0.0; N];
        for (y, x) in y.iter_mut().zip(x) {
            // Adding 1.5 · 2²³ leaves the nearest integer in the lowest bits.
            let shifted = x.max(-126.0) + 12_582_912.0;
            let fraction = x - (shifted - 12_582_912.0);
            let polynomial = super::EXP2.iter().rev().fold(0.0, |sum, &c| sum * fraction + c);
            let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
            let power = polynomial * f32::from_bits(exponent);
            *y = if x < -126.0 { 0.0 } else { power };
        }
        y
    }

    fn run<O: Op<f32>>(isa: Isa, op: O) -> O::Output {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(simd) => simd.run(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(simd) => simd.run(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(simd) => simd.run(op),
            Isa::Portable => Portable::new(isa).run(op),
        }
    }
}

impl Real for f64 {
    standard!(f64);

    #[inline(always)]
    fn exp2_lanes<const N: usize>(x: [f64; N]) -> [f64; N] {
        x.map(f64::exp2)
    }

    fn run<O: Op<f64>>(isa: Isa, op: O) -> O::Output {
        Portable::new(isa).run(op)
    }
}
