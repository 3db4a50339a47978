//! AVX-512, sixteen lanes of f32.

use super::{EXP2, Op, Simd, tanh_f32};
use std::arch::x86_64::*;

/// Exists only where the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }
}

// SAFETY of every block without an argument of its own: the intrinsics need nothing but the
// instruction set, and `self` is proof that the processor has it.
macro_rules! intrinsic {
    ($call:expr) => {{
        // SAFETY: `self` is proof that the processor has the instruction set, and the intrinsic
        // works on registers only.
        unsafe { $call }
    }};
}

impl Simd for Avx512 {
    type T = f32;
    type V = __m512;
    type U = __m512i;
    type M = __mmask16;

    const LANES: usize = 16;
    const ROWS: usize = 12;

    #[inline(always)]
    fn run<O: Op<f32>>(self, op: O) -> O::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        #[inline(never)]
        fn run<O: Op<f32>>(simd: Avx512, op: O) -> O::Output {
            op.call(simd)
        }
        // SAFETY: `self` is proof that the processor has the instruction set.
        unsafe { run(self, op) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        intrinsic!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller's promise; unaligned addresses are allowed.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the caller's promise; unaligned addresses are allowed.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        // SAFETY: a hint, which reads nothing and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_div_ps(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        intrinsic!(_mm512_sqrt_ps(a))
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        intrinsic!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn exp2(self, x: __m512) -> __m512 {
        // `scalef` brings everything below -126 to a denormal number or 0; -∞ would be -∞ - (-∞).
        let x = self.max(self.splat(-200.0), x);
        let whole = intrinsic!(_mm512_roundscale_ps::<0x08>(x));
        let fraction = self.sub(x, whole);
        let mut sum = self.splat(EXP2[6]);
        for k in (0..6).rev() {
            sum = self.fma(sum, fraction, self.splat(EXP2[k]));
        }
        intrinsic!(_mm512_scalef_ps(sum, whole))
    }

    #[inline(always)]
    fn tanh(self, x: __m512) -> __m512 {
        tanh_f32(self, x)
    }

    #[inline(always)]
    fn less(self, a: __m512, b: __m512) -> __mmask16 {
        intrinsic!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b))
    }

    #[inline(always)]
    fn select(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_mask_blend_ps(mask, b, a))
    }

    #[inline(always)]
    fn mask(self, bits: u64) -> __mmask16 {
        bits as __mmask16
    }

    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        intrinsic!(_mm512_reduce_add_ps(v))
    }

    #[inline(always)]
    fn largest(self, v: __m512) -> f32 {
        intrinsic!(_mm512_reduce_max_ps(v))
    }

    #[inline(always)]
    fn count_from(self, first: u32) -> __m512i {
        intrinsic!(_mm512_add_epi32(
            _mm512_set1_epi32(first as i32),
            _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
        ))
    }

    #[inline(always)]
    fn splat_u32(self, x: u32) -> __m512i {
        intrinsic!(_mm512_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn add_u32(self, a: __m512i, b: __m512i) -> __m512i {
        intrinsic!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn mul_u32(self, a: __m512i, b: __m512i) -> __m512i {
        intrinsic!(_mm512_mullo_epi32(a, b))
    }

    #[inline(always)]
    fn xor_u32(self, a: __m512i, b: __m512i) -> __m512i {
        intrinsic!(_mm512_xor_si512(a, b))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: __m512i) -> __m512i {
        // The count of the immediate form has another type; the compiler folds this one.
        intrinsic!(_mm512_srl_epi32(a, _mm_cvtsi32_si128(BITS)))
    }

    #[inline(always)]
    fn at_least(self, a: __m512i, b: __m512i) -> __mmask16 {
        intrinsic!(_mm512_cmpge_epu32_mask(a, b))
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: 16 rows of 16 numbers are readable and writable by the caller's promise, and
        // `self` is proof of the instruction set.
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_loadu_ps(from.add(i * from_row));
            }
            // Within pairs of rows, then of pairs, then of quarters: each step doubles what lies
            // together of a column.
            let mut t = r;
            for i in (0..16).step_by(2) {
                t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
                t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
            }
            for i in (0..16).step_by(4) {
                for k in 0..2 {
                    let (a, b) = (_mm512_castps_pd(t[i + k]), _mm512_castps_pd(t[i + k + 2]));
                    r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            // Row 4g + c now holds columns c, c + 4, c + 8, c + 12 of rows 4g..4g + 4.
            for c in 0..4 {
                let (a, b) = (r[c], r[4 + c]);
                let (d, e) = (r[8 + c], r[12 + c]);
                let ab_low = _mm512_shuffle_f32x4::<0x88>(a, b); // columns c, c + 8
                let ab_high = _mm512_shuffle_f32x4::<0xDD>(a, b); // columns c + 4, c + 12
                let de_low = _mm512_shuffle_f32x4::<0x88>(d, e);
                let de_high = _mm512_shuffle_f32x4::<0xDD>(d, e);
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(ab_low, de_low),
                    _mm512_shuffle_f32x4::<0x88>(ab_high, de_high),
                    _mm512_shuffle_f32x4::<0xDD>(ab_low, de_low),
                    _mm512_shuffle_f32x4::<0xDD>(ab_high, de_high),
                ];
                for (k, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((c + 4 * k) * to_row), column);
                }
            }
        }
    }
}
