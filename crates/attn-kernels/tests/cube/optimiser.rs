//! A step of the optimiser, and the length of a gradient.

use super::cases::{assert_close, noise, numbers};
use super::{EPSILON, gpu};
use attn_kernels::adamw::Step;
use attn_kernels::sum_of_squares::sum_of_squares;
use burn::tensor::{DType, Device, Tensor};

/// Betas are rounded to f32: of 0.98, what is left to 1 by two millionths.
#[test]
fn a_step_of_adamw_is_its_twin() {
    let answer = |device: &Device, dtype| {
        let draw = |seed| {
            let data = noise::<2>([3, 7], seed, &Device::flex(), DType::F32).into_data();
            Tensor::<2>::from_data(data, (device, dtype))
        };
        let mut state = (draw(1), [draw(2) * 0.0, draw(3) * 0.0]);
        for number in 1..4 {
            let step = Step {
                beta_1: 0.9,
                beta_2: 0.98,
                epsilon: 1e-8,
                weight_decay: 0.1,
                rate: 0.02,
                scale: 0.5,
                number,
            };
            state = step.take(state.0, draw(3 + number as u64), state.1);
        }
        let (parameter, [first, second]) = state;
        [parameter, first, second].map(numbers)
    };
    let found = answer(&gpu(), DType::F32);
    let expected = answer(&Device::flex(), DType::F64);
    for (found, expected) in found.iter().zip(&expected) {
        assert_close("AdamW", found, expected, 32.0 * EPSILON);
    }
}

#[test]
fn a_sum_of_squares_is_one() {
    let dims = [9, 31];
    let x = noise::<2>(dims, 1, &gpu(), DType::F32);
    let found = numbers(sum_of_squares(x.clone().transpose()));
    let expected: f64 = numbers(x).iter().map(|x| x * x).sum();
    assert_close("squares", &found, &[expected], expected * (9 * 31) as f64 * EPSILON);
}
