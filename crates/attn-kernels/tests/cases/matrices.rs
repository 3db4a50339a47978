//! Functions of matrices, and what they are of.

use super::{noise, numbers};
use attn_kernels::activation::Activation;
use attn_kernels::adamw::Step;
use attn_kernels::combine;
use burn::tensor::{DType, Device, Tensor};

/// The result of a function of matrices, and their gradients.
pub fn answer(
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

pub fn row(tensor: &Tensor<2>) -> Tensor<1> {
    tensor.clone().flatten(0, 1)
}

/// All but about one of `every`.
pub fn labels(rows: usize, width: usize, every: u64) -> Vec<Option<u32>> {
    let label = |row| combine(5, row);
    (0..rows as u64)
        .map(|row| (!label(row).is_multiple_of(every)).then(|| (label(row) % width as u64) as u32))
        .collect()
}

pub const ACTIVATIONS: [Activation; 5] = [
    Activation::Relu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Sigmoid,
];

/// Three steps of AdamW: the parameter, and both moments.
pub fn steps_of_adamw(dims: [usize; 2], device: &Device, dtype: DType) -> [Vec<f64>; 3] {
    let draw = |seed| {
        let data = noise::<2>(dims, seed, &Device::flex(), DType::F32).into_data();
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
}
