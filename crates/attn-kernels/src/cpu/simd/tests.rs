//! Each instruction set against the numbers one by one.

use super::{Isa, Op, Real, Simd};
use crate::cpu::scores::RowDropout;
use crate::parameters::DropoutMask;

/// Calls a test for f32 by every instruction set that the processor has, and for f64.
macro_rules! everywhere {
    ($op:expr) => {
        for isa in Isa::all() {
            <f32 as Real>::run(isa, $op);
            <f64 as Real>::run(isa, $op);
        }
    };
}

fn load<S: Simd>(simd: S, numbers: &[S::T]) -> S::V {
    assert_eq!(numbers.len(), S::LANES);
    // SAFETY: as many as there are lanes.
    unsafe { simd.load(numbers.as_ptr()) }
}

fn lanes<S: Simd>(simd: S, v: S::V) -> Vec<f64> {
    let mut numbers = [S::T::ZERO; 16];
    // SAFETY: at most 16 lanes.
    unsafe { simd.store(numbers.as_mut_ptr(), v) };
    numbers[..S::LANES].iter().map(|x| x.to_f64()).collect()
}

fn numbers<S: Simd>(number: impl Fn(usize) -> f64) -> Vec<S::T> {
    (0..S::LANES).map(|lane| S::T::from_f64(number(lane))).collect()
}

struct Elementary;

impl<T: Real> Op<T> for Elementary {
    type Output = ();

    fn call<S: Simd<T = T>>(self, simd: S) {
        // Single precision for both: the polynomials are those of f32, f64 has the library's.
        let ulp = f64::from(f32::EPSILON);
        let steps = 200_000 / S::LANES;
        // Miri is a thousand times slower, and here nothing depends on the numbers.
        for step in (0..steps).step_by(if cfg!(miri) { 4999 } else { 1 }) {
            // From -126 to 8, and on towards zero and infinity for the tangent.
            let x = numbers::<S>(|lane| -126.0 + 134.0 * (step * S::LANES + lane) as f64 / 2e5);
            for (y, x) in lanes(simd, simd.exp2(load(simd, &x))).into_iter().zip(&x) {
                let expected = x.to_f64().exp2();
                assert!((y / expected - 1.0).abs() < ulp, "2^{x:?} is {expected}, not {y}");
            }
            let x = numbers::<S>(|lane| (step * S::LANES + lane) as f64 / 1e4 - 10.0);
            for (y, x) in lanes(simd, simd.tanh(load(simd, &x))).into_iter().zip(&x) {
                let expected = x.to_f64().tanh();
                assert!((y - expected).abs() <= 2.0 * ulp * expected.abs(), "tanh {x:?}: {y}");
            }
        }
        let special = |x: f64| (numbers::<S>(|_| x), x);
        for (x, value) in [special(f64::NEG_INFINITY), special(-1e30), special(f64::NAN)] {
            let exp = lanes(simd, simd.exp2(load(simd, &x)));
            assert!(exp.iter().all(|&y| y == 0.0 || value.is_nan() && y.is_nan()), "2^{value}");
        }
        for value in [0.0, 1e30, -1e30, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let (x, value) = special(value);
            let tanh = lanes(simd, simd.tanh(load(simd, &x)));
            let right = |y: f64| y == value.tanh() || value.is_nan() && y.is_nan();
            assert!(tanh.iter().all(|&y| right(y)), "tanh {value} is {tanh:?}");
        }
    }
}

#[test]
fn exponentials_and_tangents_are_exact_to_two_units() {
    everywhere!(Elementary);
}

struct Lanes;

impl<T: Real> Op<T> for Lanes {
    type Output = ();

    fn call<S: Simd<T = T>>(self, simd: S) {
        let (a, b) = (numbers::<S>(|i| i as f64 - 3.0), numbers::<S>(|i| 5.0 - 2.0 * i as f64));
        let (va, vb) = (load(simd, &a), load(simd, &b));
        let each = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            a.iter().zip(&b).map(|(a, b)| f(a.to_f64(), b.to_f64())).collect()
        };
        assert_eq!(lanes(simd, simd.add(va, vb)), each(&|a, b| a + b));
        assert_eq!(lanes(simd, simd.sub(va, vb)), each(&|a, b| a - b));
        assert_eq!(lanes(simd, simd.mul(va, vb)), each(&|a, b| a * b));
        assert_eq!(lanes(simd, simd.max(va, vb)), each(&f64::max));
        assert_eq!(lanes(simd, simd.fma(va, vb, va)), each(&|a, b| a * b + a));
        let less = simd.select(simd.less(va, vb), va, vb);
        assert_eq!(lanes(simd, less), each(&f64::min));
        let bits = 0b1011_0010_0110_1001;
        let chosen = lanes(simd, simd.select(simd.mask(bits), va, vb));
        for (lane, chosen) in chosen.into_iter().enumerate() {
            let of = if bits >> lane & 1 == 1 { &a } else { &b };
            assert_eq!(chosen, of[lane].to_f64(), "lane {lane}");
        }
        let sum: f64 = a.iter().map(|x| x.to_f64()).sum();
        assert_eq!(simd.sum(va).to_f64(), sum);
        assert_eq!(simd.largest(vb).to_f64(), 5.0);
        assert!(lanes(simd, simd.max(va, load(simd, &numbers::<S>(|_| f64::NAN))))[0].is_nan());
    }
}

#[test]
fn lanes_are_what_they_are_one_by_one() {
    everywhere!(Lanes);
}

struct Transpose;

impl<T: Real> Op<T> for Transpose {
    type Output = ();

    fn call<S: Simd<T = T>>(self, simd: S) {
        let (from_row, to_row) = (S::LANES + 3, S::LANES + 5);
        let from: Vec<T> = (0..S::LANES * from_row).map(|i| T::from_f64(i as f64)).collect();
        let mut to = vec![T::ZERO; S::LANES * to_row];
        // SAFETY: as many rows as lanes, each longer than that.
        unsafe { simd.transpose(from.as_ptr(), from_row, to.as_mut_ptr(), to_row) };
        for i in 0..S::LANES {
            for j in 0..to_row {
                let expected = if j < S::LANES { from[j * from_row + i].to_f64() } else { 0.0 };
                assert_eq!(to[i * to_row + j].to_f64(), expected, "{:?}", [i, j]);
            }
        }
    }
}

#[test]
fn squares_are_transposed() {
    everywhere!(Transpose);
}

struct Dropping;

impl<T: Real> Op<T> for Dropping {
    type Output = ();

    fn call<S: Simd<T = T>>(self, simd: S) {
        let mask = DropoutMask::new(0.3, 77);
        for row in [0, 5, 1 << 40] {
            let keeps = RowDropout::new(&mask, row);
            for first in [0_u32, 3, 1000, u32::MAX - 40] {
                let one = simd.splat(T::ONE);
                let found = simd.select(keeps.at(simd, first), one, simd.splat(T::ZERO));
                for (lane, found) in lanes(simd, found).into_iter().enumerate() {
                    let kept = mask.keeps(row, first + lane as u32);
                    assert_eq!(found == 1.0, kept, "row {row}, column {}", first + lane as u32);
                }
            }
        }
    }
}

#[test]
fn vectors_drop_what_the_mask_says() {
    everywhere!(Dropping);
}
