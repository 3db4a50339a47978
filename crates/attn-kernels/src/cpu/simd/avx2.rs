//! AVX2 with FMA, eight lanes of f32.

use super::{EXP2, Op, Simd, tanh_f32};
use std::arch::x86_64::*;

/// Exists only where the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }
}

macro_rules! intrinsic {
    ($call:expr) => {{
        // SAFETY: `self` is proof that the processor has the instruction set, and the intrinsic
        // works on registers only.
        unsafe { $call }
    }};
}

impl Simd for Avx2 {
    type T = f32;
    type V = __m256;
    type U = __m256i;
    type M = __m256;

    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn run<O: Op<f32>>(self, op: O) -> O::Output {
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        fn run<O: Op<f32>>(simd: Avx2, op: O) -> O::Output {
            op.call(simd)
        }
        // SAFETY: `self` is proof that the processor has the instruction set.
        unsafe { run(self, op) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        intrinsic!(_mm256_set1_ps(x))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the caller's promise; unaligned addresses are allowed.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the caller's promise; unaligned addresses are allowed.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        // SAFETY: a hint, which reads nothing and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_div_ps(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        intrinsic!(_mm256_sqrt_ps(a))
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        intrinsic!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn exp2(self, x: __m256) -> __m256 {
        let bounded = self.max(self.splat(-126.0), x);
        let whole = intrinsic!(_mm256_round_ps::<0x08>(bounded));
        let fraction = self.sub(bounded, whole);
        let mut sum = self.splat(EXP2[6]);
        for k in (0..6).rev() {
            sum = self.fma(sum, fraction, self.splat(EXP2[k]));
        }
        let power = intrinsic!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
            _mm256_cvtps_epi32(whole),
            _mm256_set1_epi32(127)
        ))));
        let result = self.mul(sum, power);
        intrinsic!(_mm256_andnot_ps(self.less(x, self.splat(-126.0)), result))
    }

    #[inline(always)]
    fn tanh(self, x: __m256) -> __m256 {
        tanh_f32(self, x)
    }

    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))
    }

    #[inline(always)]
    fn select(self, mask: __m256, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_blendv_ps(b, a, mask))
    }

    #[inline(always)]
    fn mask(self, bits: u64) -> __m256 {
        // The bit of each lane, moved to where `blendv` looks.
        intrinsic!(_mm256_castsi256_ps(_mm256_sllv_epi32(
            _mm256_set1_epi32(bits as i32),
            _mm256_set_epi32(24, 25, 26, 27, 28, 29, 30, 31)
        )))
    }

    #[inline(always)]
    fn sum(self, v: __m256) -> f32 {
        intrinsic!({
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn largest(self, v: __m256) -> f32 {
        intrinsic!({
            let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn count_from(self, first: u32) -> __m256i {
        intrinsic!(_mm256_add_epi32(
            _mm256_set1_epi32(first as i32),
            _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0)
        ))
    }

    #[inline(always)]
    fn splat_u32(self, x: u32) -> __m256i {
        intrinsic!(_mm256_set1_epi32(x as i32))
    }

    #[inline(always)]
    fn add_u32(self, a: __m256i, b: __m256i) -> __m256i {
        intrinsic!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn mul_u32(self, a: __m256i, b: __m256i) -> __m256i {
        intrinsic!(_mm256_mullo_epi32(a, b))
    }

    #[inline(always)]
    fn xor_u32(self, a: __m256i, b: __m256i) -> __m256i {
        intrinsic!(_mm256_xor_si256(a, b))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: __m256i) -> __m256i {
        intrinsic!(_mm256_srli_epi32::<BITS>(a))
    }

    #[inline(always)]
    fn at_least(self, a: __m256i, b: __m256i) -> __m256 {
        // There is no unsigned comparison: a is at least b where it is the larger of both.
        intrinsic!(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a)))
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: 8 rows of 8 numbers are readable and writable by the caller's promise, and `self`
        // is proof of the instruction set.
        unsafe {
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm256_loadu_ps(from.add(i * from_row));
            }
            let mut t = r;
            for i in (0..8).step_by(2) {
                t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
                t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
            }
            for i in (0..8).step_by(4) {
                for k in 0..2 {
                    let (a, b) = (_mm256_castps_pd(t[i + k]), _mm256_castps_pd(t[i + k + 2]));
                    r[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
                    r[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
                }
            }
            for c in 0..4 {
                let low = _mm256_permute2f128_ps::<0x20>(r[c], r[4 + c]);
                let high = _mm256_permute2f128_ps::<0x31>(r[c], r[4 + c]);
                _mm256_storeu_ps(to.add(c * to_row), low);
                _mm256_storeu_ps(to.add((c + 4) * to_row), high);
            }
        }
    }
}
