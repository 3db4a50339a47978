//! A function in f32 and in twice the precision.

use super::cases::{assert_close, noise, numbers};
use burn::tensor::{DType, Device, Tensor};

pub const EPSILON: f64 = f32::EPSILON as f64;

#[allow(deprecated)] // ndarray, in favour of flex.
pub fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// The result of a function of matrices, and their gradients.
fn answer(
    function: &dyn Fn(&[Tensor<2>]) -> Tensor<2>,
    shapes: &[[usize; 2]],
    device: &Device,
    dtype: DType,
) -> Vec<Vec<f64>> {
    // Drawn in f32, so that both have the same numbers.
    let draw = |(seed, &dims): (usize, _)| {
        let numbers = noise::<2>(dims, 1 + seed as u64, device, DType::F32).into_data();
        Tensor::<2>::from_data(numbers, (device, dtype)).autodiff().require_grad()
    };
    let inputs: Vec<_> = shapes.iter().enumerate().map(draw).collect();
    let result = function(&inputs);
    let weights = noise::<2>(result.dims(), 99, device, DType::F32).into_data();
    let weights = Tensor::<2>::from_data(weights, (device, dtype)).autodiff();
    let gradients = (result.clone() * weights).sum().backward();
    let mut answer = vec![numbers(result.inner())];
    answer.extend(inputs.iter().map(|input| numbers(input.grad(&gradients).expect("a gradient"))));
    answer
}

/// `terms`: of the longest sum; each is off by that many epsilons at most, relative to the sum of the
/// magnitudes, which is `size` at most.
pub fn check(
    what: &str,
    shapes: &[[usize; 2]],
    [terms, size]: [f64; 2],
    function: impl Fn(&[Tensor<2>]) -> Tensor<2>,
) {
    for device in devices() {
        let found = answer(&function, shapes, &device, DType::F32);
        let expected = answer(&function, shapes, &device, DType::F64);
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{what} {shapes:?} on {device:?}, part {part}");
            assert_close(&what, found, expected, terms * size * EPSILON);
        }
    }
}

pub fn row(tensor: &Tensor<2>) -> Tensor<1> {
    tensor.clone().flatten(0, 1)
}
