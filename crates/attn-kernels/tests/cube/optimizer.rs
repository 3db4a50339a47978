//! A step of the optimizer, and the length of a gradient.

use super::cases::matrices::steps_of_adamw;
use super::cases::{assert_close, noise, numbers};
use super::{EPSILON, gpu};
use attn_kernels::sum_of_squares::sum_of_squares;
use burn::tensor::{DType, Device};

/// Betas are rounded to f32: of 0.98, what is left to 1 by two millionths.
#[test]
fn a_step_of_adamw_is_its_twin() {
    let found = steps_of_adamw([3, 7], &gpu(), DType::F32);
    let expected = steps_of_adamw([3, 7], &Device::flex(), DType::F64);
    for (found, expected) in found.iter().zip(&expected) {
        assert_close("AdamW", found, expected, 32.0 * EPSILON);
    }
}

#[test]
fn a_sum_of_squares_agrees_with_a_plain_sum() {
    let dims = [9, 31];
    let x = noise::<2>(dims, 1, &gpu(), DType::F32);
    let found = numbers(sum_of_squares(x.clone().transpose()));
    let expected: f64 = numbers(x).iter().map(|x| x * x).sum();
    assert_close("squares", &found, &[expected], expected * (9 * 31) as f64 * EPSILON);
}
