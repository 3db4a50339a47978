//! Cells of LSTM and GRU.

use super::against_f64::{EPSILON, check, devices};
use crate::cases::{assert_close, numbers};
use attn_kernels::recurrent::{gru_cell, lstm_cell};
use burn::tensor::{Device, Tensor};

/// Each number is a handful of operations on numbers of order one; a gradient is of twice as many.
#[test]
fn recurrent_cells_agree_with_their_twins_in_f64() {
    // Widths around those of vectors, rows around those of a task.
    for [rows, d] in [[1, 1], [3, 5], [2, 16], [7, 33], [140, 9], [5, 1100]] {
        let shapes = |gates: usize| [[rows, gates * d], [rows, gates * d], [rows, d]];
        check("lstm", &shapes(4), [20.0, 2.0], |t| {
            let (hidden, cell) = lstm_cell(t[0].clone(), t[1].clone(), t[2].clone());
            Tensor::cat(vec![hidden, cell], 1)
        });
        check("gru", &shapes(3), [20.0, 2.0], |t| {
            gru_cell(t[0].clone(), t[1].clone(), t[2].clone())
        });
    }
}

/// What the gates cannot hold is as the functions' limits, forwards and backwards.
#[test]
fn recurrent_cells_saturate() {
    for device in devices() {
        let device = device.autodiff();
        let of = |x: f32, width| Tensor::<2>::full([2, width], x, &device).require_grad();
        for x in [-1e4_f32, 1e4] {
            let (gates, zeros, cell) = (of(x, 20), of(0.0, 20), of(0.5, 5));
            let (hidden, after) = lstm_cell(gates.clone(), zeros.clone(), cell.clone());
            let expected = if x > 0.0 { [1.5_f64.tanh(), 1.5] } else { [0.0, 0.0] };
            for (found, expected) in [&hidden, &after].into_iter().zip(expected) {
                let found = numbers(found.clone().inner());
                assert_close("saturated", &found, &[expected; 10], 4.0 * EPSILON);
            }
            let gradients = (hidden + after).sum().backward();
            for input in [gates, zeros, cell] {
                assert!(numbers(input.grad(&gradients).unwrap()).iter().all(|x| x.is_finite()));
            }
        }
    }
}

#[test]
#[should_panic(expected = "axis 1 expected 20, got 15")]
fn a_cell_has_four_gates() {
    let of = |width| Tensor::<2>::zeros([2, width], &Device::flex());
    lstm_cell(of(20), of(15), of(5));
}
