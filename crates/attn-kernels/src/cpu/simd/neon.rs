//! NEON, four lanes of f32.

use super::{EXP2, Op, Simd, tanh_f32};
use std::arch::aarch64::*;

/// Exists only where the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

macro_rules! intrinsic {
    ($call:expr) => {{
        // SAFETY: `self` is proof that the processor has the instruction set, and the intrinsic
        // works on registers only.
        #[allow(unused_unsafe, reason = "on targets that all have NEON, nothing is unsafe here")]
        unsafe {
            $call
        }
    }};
}

impl Simd for Neon {
    type T = f32;
    type V = float32x4_t;
    type U = uint32x4_t;
    type M = uint32x4_t;

    const LANES: usize = 4;
    /// With two vectors a row, 24 of the 32 registers are sums.
    const ROWS: usize = 12;

    #[inline(always)]
    fn run<O: Op<f32>>(self, op: O) -> O::Output {
        #[target_feature(enable = "neon")]
        #[inline(never)]
        fn run<O: Op<f32>>(simd: Neon, op: O) -> O::Output {
            op.call(simd)
        }
        intrinsic!(run(self, op))
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        intrinsic!(vdupq_n_f32(x))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the caller's promise; the address need not be that of a whole vector.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: the caller's promise; the address need not be that of a whole vector.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vaddq_f32(a, b))
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vsubq_f32(a, b))
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vmulq_f32(a, b))
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vdivq_f32(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        intrinsic!(vsqrtq_f32(a))
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        intrinsic!(vfmaq_f32(c, a, b))
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // The instruction for a maximum returns NaN for either operand; this, `b`.
        intrinsic!(vbslq_f32(vcgtq_f32(a, b), a, b))
    }

    #[inline(always)]
    fn exp2(self, x: float32x4_t) -> float32x4_t {
        let bounded = self.max(self.splat(-126.0), x);
        let whole = intrinsic!(vrndnq_f32(bounded));
        let fraction = self.sub(bounded, whole);
        let mut sum = self.splat(EXP2[6]);
        for k in (0..6).rev() {
            sum = self.fma(sum, fraction, self.splat(EXP2[k]));
        }
        let power = intrinsic!(vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(
            vcvtq_s32_f32(whole),
            vdupq_n_s32(127)
        ))));
        let result = self.mul(sum, power);
        self.select(self.less(x, self.splat(-126.0)), self.splat(0.0), result)
    }

    #[inline(always)]
    fn tanh(self, x: float32x4_t) -> float32x4_t {
        tanh_f32(self, x)
    }

    #[inline(always)]
    fn less(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        intrinsic!(vcltq_f32(a, b))
    }

    #[inline(always)]
    fn select(self, mask: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(mask, a, b))
    }

    #[inline(always)]
    fn mask(self, bits: u64) -> uint32x4_t {
        intrinsic!(vtstq_u32(vdupq_n_u32(bits as u32), vld1q_u32([1, 2, 4, 8].as_ptr())))
    }

    #[inline(always)]
    fn sum(self, v: float32x4_t) -> f32 {
        intrinsic!(vaddvq_f32(v))
    }

    #[inline(always)]
    fn largest(self, v: float32x4_t) -> f32 {
        intrinsic!(vmaxvq_f32(v))
    }

    #[inline(always)]
    fn count_from(self, first: u32) -> uint32x4_t {
        intrinsic!(vaddq_u32(vdupq_n_u32(first), vld1q_u32([0, 1, 2, 3].as_ptr())))
    }

    #[inline(always)]
    fn splat_u32(self, x: u32) -> uint32x4_t {
        intrinsic!(vdupq_n_u32(x))
    }

    #[inline(always)]
    fn add_u32(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        intrinsic!(vaddq_u32(a, b))
    }

    #[inline(always)]
    fn mul_u32(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        intrinsic!(vmulq_u32(a, b))
    }

    #[inline(always)]
    fn xor_u32(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        intrinsic!(veorq_u32(a, b))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: uint32x4_t) -> uint32x4_t {
        intrinsic!(vshrq_n_u32::<BITS>(a))
    }

    #[inline(always)]
    fn at_least(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        intrinsic!(vcgeq_u32(a, b))
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: 4 rows of 4 numbers are readable and writable by the caller's promise, and `self`
        // is proof of the instruction set.
        unsafe {
            let row = |i: usize| vld1q_f32(from.add(i * from_row));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let pairs = |x: float32x4_t| vreinterpretq_f64_f32(x);
            let (even_ab, odd_ab) = (pairs(vtrn1q_f32(a, b)), pairs(vtrn2q_f32(a, b)));
            let (even_cd, odd_cd) = (pairs(vtrn1q_f32(c, d)), pairs(vtrn2q_f32(c, d)));
            let columns = [
                vtrn1q_f64(even_ab, even_cd),
                vtrn1q_f64(odd_ab, odd_cd),
                vtrn2q_f64(even_ab, even_cd),
                vtrn2q_f64(odd_ab, odd_cd),
            ];
            for (i, column) in columns.into_iter().enumerate() {
                vst1q_f32(to.add(i * to_row), vreinterpretq_f32_f64(column));
            }
        }
    }
}
