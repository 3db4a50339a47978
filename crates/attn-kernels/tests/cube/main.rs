//! The operations on a GPU, or what poses as one, against the twins on a processor: numbers that went
//! through other hardware and through burn's kernels, and its fusion if that is on.
//!
//! `cargo test -p attn-kernels --features wgpu --test cube`
//!
//! What a GPU may be off by is what WGSL lets it be (section 15.7.4 of its specification): sums and
//! products by a rounding, a quotient by 2.5 units in the last place, a root by what that and its two
//! units of `1 / √x` come to; `exp(x)` by `3 + 2 |x|` units, which below 0 is at most three of those
//! of 1; `ln` by four of 1; `tanh` by 10⁻⁵. So a handful of operations is [`STEPS`] instead of a
//! rounding each, and [`TANH`] for each hyperbolic tangent.
#![cfg(feature = "wgpu")]

#[path = "../cases/mod.rs"]
mod cases;

mod activations;
mod attention;
mod layers;
mod limits;
mod loss;
mod optimizer;
mod recurrent;

use burn::tensor::{DType, Device, Tensor};
use cases::matrices::answer;
use cases::{assert_close, noise};

const EPSILON: f64 = f32::EPSILON as f64;
/// Epsilons that eight operations are off by, which none is by more than five.
const STEPS: f64 = 40.0;
/// Epsilons that a hyperbolic tangent may be off by.
const TANH: f64 = 1e-5 / EPSILON;

fn gpu() -> Device {
    Device::wgpu(Default::default())
}

/// A function on the GPU in f32 against the same on a processor in f64, where nothing has a kernel of
/// this crate and each is its twin: the result, and the gradients of all matrices.
///
/// `terms` epsilons of a number of `size` are what may be between them.
fn check(
    what: &str,
    shapes: &[[usize; 2]],
    [terms, size]: [f64; 2],
    function: impl Fn(&[Tensor<2>]) -> Tensor<2>,
) {
    let found = answer(&function, shapes, &gpu(), DType::F32);
    let expected = answer(&function, shapes, &Device::flex(), DType::F64);
    for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let what = format!("{what} {shapes:?}, part {part}");
        assert_close(&what, found, expected, terms * size * EPSILON);
    }
}

/// The same numbers wherever a tensor is and of whatever type, and no gradient.
fn constant<const D: usize>(dims: [usize; D], seed: u64, like: &Tensor<2>) -> Tensor<D> {
    let numbers = noise(dims, seed, &Device::flex(), DType::F32).into_data();
    Tensor::from_data(numbers, (&like.device(), like.dtype()))
}
