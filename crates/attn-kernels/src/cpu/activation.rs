//! Activations, with what they multiply, and their derivatives, each in one pass over memory.

use super::elementwise::{Change, Function, change, map};
use super::simd::{Isa, Simd};
use crate::parameters::Activation;

/// Runs an expression with the curve of an activation: chosen once, outside of all loops.
macro_rules! with {
    ($activation:expr, |$curve:ident| $run:expr) => {
        match $activation {
            Activation::Relu => with!(@ $curve, Relu, $run),
            Activation::Gelu => with!(@ $curve, Gelu, $run),
            Activation::GeluTanh => with!(@ $curve, GeluTanh, $run),
            Activation::Silu => with!(@ $curve, Silu, $run),
            Activation::Sigmoid => with!(@ $curve, Sigmoid, $run),
        }
    };
    (@ $curve:ident, $which:ident, $run:expr) => {{
        let $curve = $which;
        $run
    }};
}

/// `f(x)`.
pub(crate) fn forward(isa: Isa, f: Activation, x: &[f32]) -> Vec<f32> {
    with!(f, |curve| map(isa, [x], Value(curve)))
}

/// Turns the gradient `g` of `f(x)` into that of `x`, `g · f'(x)`.
pub(crate) fn backward(isa: Isa, f: Activation, x: &[f32], g: &mut [f32]) {
    with!(f, |curve| change(isa, [x], [g], Slope(curve)));
}

/// `f(x) · y`.
pub(crate) fn gated_forward(isa: Isa, f: Activation, x: &[f32], y: &[f32]) -> Vec<f32> {
    with!(f, |curve| map(isa, [x, y], GatedValue(curve)))
}

/// Turns `x` and the gradient `g` of `f(x) · y` into the gradients of `x` and `y`, `g · y · f'(x)`
/// and `g · f(x)`.
pub(crate) fn gated_backward(isa: Isa, f: Activation, y: &[f32], x: &mut [f32], g: &mut [f32]) {
    with!(f, |curve| change(isa, [y], [x, g], GatedSlope(curve)));
}

/// A function of one number and its derivative.
trait Curve: Copy + Sync {
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2];
}

#[derive(Clone, Copy)]
struct Value<C>(C);

impl<C: Curve> Function<1> for Value<C> {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, [x]: [S::V; 1]) -> S::V {
        let [value, _] = self.0.value_and_slope(simd, x);
        value
    }
}

#[derive(Clone, Copy)]
struct Slope<C>(C);

impl<C: Curve> Change<1, 1> for Slope<C> {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, [x]: [S::V; 1], [g]: [S::V; 1]) -> [S::V; 1] {
        let [_, slope] = self.0.value_and_slope(simd, x);
        [simd.mul(g, slope)]
    }
}

#[derive(Clone, Copy)]
struct GatedValue<C>(C);

impl<C: Curve> Function<2> for GatedValue<C> {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, [x, y]: [S::V; 2]) -> S::V {
        let [value, _] = self.0.value_and_slope(simd, x);
        simd.mul(value, y)
    }
}

#[derive(Clone, Copy)]
struct GatedSlope<C>(C);

impl<C: Curve> Change<1, 2> for GatedSlope<C> {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, [y]: [S::V; 1], [x, g]: [S::V; 2]) -> [S::V; 2] {
        let [value, slope] = self.0.value_and_slope(simd, x);
        [simd.mul(simd.mul(g, y), slope), simd.mul(g, value)]
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2] {
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        let is_above = simd.less(zero, x);
        // The larger, which is x if that is not a number.
        [simd.max(zero, x), simd.select(is_above, one, zero)]
    }
}

/// `x Φ(x)`, whose derivative is `Φ(x) + x φ(x)`.
#[derive(Clone, Copy)]
struct Gelu;

/// `P` and the coefficients `c`, lowest first, of `Φ(-a) = e^(-a²/2) · t · Σ c_k t^k`,
/// `t = 1 / (1 + P a)`, for `0 ≤ a ≤ 14`: minimax in the relative error, which is 3.2e-8 before
/// rounding. The form is that of Hastings (1955), sheet 45.
const TAIL_RATE: f32 = 0.35;
const TAIL: [f32; 9] = [
    0.139_621_4,
    0.139_861_82,
    0.119_833_216,
    0.105_506_524,
    -0.023_106_167,
    0.159_168_72,
    -0.255_709_5,
    0.143_969_45,
    -0.029_145_487,
];

impl Curve for Gelu {
    #[inline(always)]
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2] {
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        let absolute = simd.max(simd.sub(zero, x), x);
        let half_log2_e = 0.5 * std::f32::consts::LOG2_E;
        let bell = decay(simd, simd.mul(simd.mul(x, x), simd.splat(-half_log2_e)));
        let t = simd.div(one, simd.fma(absolute, simd.splat(TAIL_RATE), one));
        let mut sum = simd.splat(TAIL[8]);
        for &coefficient in TAIL[..8].iter().rev() {
            sum = simd.fma(sum, t, simd.splat(coefficient));
        }
        let tail = simd.mul(simd.mul(bell, t), sum);
        let is_below = simd.less(x, zero);
        let phi = simd.select(is_below, tail, simd.sub(one, tail));
        // (2π)^(-1/2)
        let density = simd.mul(bell, simd.splat(0.398_942_3));
        [simd.mul(x, phi), simd.fma(x, density, phi)]
    }
}

/// `x (1 + tanh u) / 2` with `u = √(2/π) (x + 0.044715 x³)` (Hendrycks & Gimpel 2016).
#[derive(Clone, Copy)]
struct GeluTanh;

impl Curve for GeluTanh {
    #[inline(always)]
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2] {
        const ROOT: f32 = 0.797_884_6;
        const CUBE: f32 = 0.044_715;
        let (half, one) = (simd.splat(0.5), simd.splat(1.0));
        // Beyond 100 all is decided, and products of ∞ with 0 would make it NaN.
        let (zero, limit) = (simd.splat(0.0), simd.splat(-100.0));
        let near = simd.max(limit, simd.sub(zero, simd.max(limit, simd.sub(zero, x))));
        let square = simd.mul(near, near);
        let inner = simd.mul(near, simd.fma(square, simd.splat(ROOT * CUBE), simd.splat(ROOT)));
        let tanh = simd.tanh(inner);
        let share = simd.fma(tanh, half, half);
        let slope = simd.fma(square, simd.splat(3.0 * ROOT * CUBE), simd.splat(ROOT));
        let rest = simd.mul(half, simd.sub(one, simd.mul(tanh, tanh)));
        [simd.mul(x, share), simd.fma(simd.mul(near, slope), rest, share)]
    }
}

/// `σ(x) = 1 / (1 + e^-x)`, whose derivative is `σ (1 - σ)`.
#[derive(Clone, Copy)]
struct Sigmoid;

impl Curve for Sigmoid {
    #[inline(always)]
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2] {
        let [sigmoid, rest] = sigmoid_and_rest(simd, x);
        [sigmoid, simd.mul(sigmoid, rest)]
    }
}

/// `x σ(x)`, whose derivative is `σ + x σ (1 - σ)`.
#[derive(Clone, Copy)]
struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn value_and_slope<S: Simd<T = f32>>(self, simd: S, x: S::V) -> [S::V; 2] {
        let [sigmoid, rest] = sigmoid_and_rest(simd, x);
        let value = simd.mul(x, sigmoid);
        [value, simd.fma(value, rest, sigmoid)]
    }
}

/// `σ(x)` and `σ(-x)`, which is `1 - σ(x)` without its cancellation.
#[inline(always)]
pub(super) fn sigmoid_and_rest<S: Simd<T = f32>>(simd: S, x: S::V) -> [S::V; 2] {
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    let absolute = simd.max(simd.sub(zero, x), x);
    let exp = decay(simd, simd.mul(absolute, simd.splat(-std::f32::consts::LOG2_E)));
    let larger = simd.div(one, simd.add(one, exp));
    let smaller = simd.mul(exp, larger);
    let is_below = simd.less(x, zero);
    [simd.select(is_below, smaller, larger), simd.select(is_below, larger, smaller)]
}

/// 2^x for negative numbers, -∞ included.
#[inline(always)]
fn decay<S: Simd<T = f32>>(simd: S, x: S::V) -> S::V {
    simd.exp2(simd.max(simd.splat(-200.0), x))
}
