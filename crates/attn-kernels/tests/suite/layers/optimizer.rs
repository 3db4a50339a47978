//! Steps of AdamW, and the norm of a gradient.

use super::against_f64::{EPSILON, devices};
use crate::cases::matrices::steps_of_adamw;
use crate::cases::{assert_close, noise, numbers};
use attn_kernels::sum_of_squares::sum_of_squares;
use burn::tensor::DType;

#[test]
fn a_step_of_adamw_is_its_equation() {
    for device in devices() {
        for dims in [[1, 1], [3, 7], [9, 1031]] {
            let [found, expected] =
                [DType::F32, DType::F64].map(|dtype| steps_of_adamw(dims, &device, dtype));
            for (found, expected) in found.iter().zip(&expected) {
                // Betas are rounded to f32: of 0.98, what is left to 1 by two millionths.
                assert_close("AdamW", found, expected, 32.0 * EPSILON);
            }
        }
    }
}

#[test]
fn sums_of_squares_are_sums_of_squares() {
    for device in devices() {
        for dims in [[1, 1], [3, 7], [9, 1031]] {
            let x = noise::<2>(dims, 1, &device, DType::F32);
            let found = numbers(sum_of_squares(x.clone().transpose()));
            let expected: f64 = numbers(x).iter().map(|x| x * x).sum();
            assert_close("squares", &found, &[expected], expected * 64.0 * EPSILON);
        }
    }
}
