//! Activations, and gates by them.

use super::against_f64::{check, devices};
use crate::cases::matrices::ACTIVATIONS;
use crate::cases::{assert_close, numbers};
use attn_kernels::activation::Activation;
use burn::tensor::Tensor;

/// A handful of roundings each, of numbers below 8.
#[test]
fn activations_and_gates_are_those_of_burn() {
    for f in ACTIVATIONS {
        for shape in [[1, 1], [3, 7], [5, 16], [9, 1031]] {
            // From -12 to 12: into the tails.
            check("activation", &[shape], [8.0, 64.0], |t| f.forward(t[0].clone() * 6.0));
            check("gate", &[shape; 2], [8.0, 64.0], |t| f.gate(t[0].clone() * 6.0, t[1].clone()));
        }
    }
}

#[test]
fn activations_of_large_inputs_are_their_limits() {
    for device in devices() {
        for f in ACTIVATIONS {
            let x = [1e30, -1e30, f32::NAN, 60.0, -60.0, f32::INFINITY];
            let x = Tensor::<1>::from_floats(x, &device);
            let x = x.autodiff().require_grad();
            let y = f.forward(x.clone());
            let slopes = numbers(x.grad(&y.clone().sum().backward()).expect("a gradient"));
            let y = numbers(y.inner());
            let (top, slope) = if f == Activation::Sigmoid { (1.0, 0.0) } else { (1e30, 1.0) };
            assert_close("above", &[y[0], slopes[0]], &[f64::from(top as f32), slope], 0.0);
            assert_close("below", &[y[1], slopes[1]], &[0.0, 0.0], 0.0);
            assert!(y[2].is_nan(), "{f:?}");
            assert_close("60", &[slopes[3], slopes[4]], &[slope, 0.0], 1e-20);
            assert_eq!(y[5], if f == Activation::Sigmoid { 1.0 } else { f64::INFINITY }, "{f:?}");
        }
    }
}
