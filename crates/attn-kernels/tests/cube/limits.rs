//! What is far out is as the functions' limits, forwards and backwards.

use super::cases::matrices::ACTIVATIONS;
use super::cases::{assert_close, numbers};
use super::{EPSILON, STEPS, TANH, gpu};
use attn_kernels::activation::Activation;
use attn_kernels::recurrent::{gru_cell, lstm_cell};
use burn::tensor::Tensor;

#[test]
fn activations_of_large_inputs_are_their_limits() {
    for f in ACTIVATIONS {
        let x = Tensor::<1>::from_floats([1e30, -1e30, 60.0, -60.0], &gpu());
        let x = x.autodiff().require_grad();
        let y = f.forward(x.clone());
        let slopes = numbers(x.grad(&y.clone().sum().backward()).expect("a gradient"));
        let y = numbers(y.inner());
        let (top, slope) = if f == Activation::Sigmoid { (1.0, 0.0) } else { (1e30, 1.0) };
        let off = 5.0 * EPSILON;
        assert_close(&format!("{f:?} above"), &y[..1], &[top], top * off);
        assert_close(&format!("{f:?} below"), &y[1..2], &[0.0], 0.0);
        let expected = [slope, 0.0, slope, 0.0];
        assert_close(&format!("slopes of {f:?}"), &slopes, &expected, off);
    }
}

#[test]
fn cells_saturate() {
    let device = gpu().autodiff();
    let of = |x: f32, width| Tensor::<2>::full([2, width], x, &device).require_grad();
    for x in [-1e4_f32, 1e4] {
        let (gates, zeros, state) = (of(x, 20), of(0.0, 20), of(0.5, 5));
        let (hidden, cell) = lstm_cell(gates.clone(), zeros.clone(), state.clone());
        let [gates_3, zeros_3] = [&gates, &zeros].map(|x| x.clone().slice_dim(1, 0..15));
        let gru = gru_cell(gates_3, zeros_3, state.clone());
        let expected = if x > 0.0 { [1.5_f64.tanh(), 1.5, 0.5] } else { [0.0, 0.0, -1.0] };
        for (found, expected) in [&hidden, &cell, &gru].into_iter().zip(expected) {
            let found = numbers(found.clone().inner());
            let off = (STEPS + 2.0 * TANH) * EPSILON;
            assert_close("saturated", &found, &[expected; 10], off);
        }
        let gradients = (hidden + cell + gru).sum().backward();
        for input in [gates, zeros, state] {
            let gradient = numbers(input.grad(&gradients).expect("a gradient"));
            assert!(gradient.iter().all(|x| x.is_finite()), "{x}: {gradient:?}");
        }
    }
}
