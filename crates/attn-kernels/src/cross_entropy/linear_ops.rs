//! Cross-entropy of a linear map as an operation of the processor backends.

use super::ops::Labels;
use crate::cpu::isa;
use crate::cpu::linear_cross_entropy::{Problem, WantedGradients, scale, sum};
use crate::linear::ops::{matrix, readable};
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, modified, slice, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Tensor;

pub(super) fn linear_cross_entropy(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    let operation = LinearCrossEntropy(Labels::new(labels, smoothing));
    run(operation, [x, weight].map(Tensor::into_dispatch), bias.map(Tensor::into_dispatch))
}

/// The sum over the rows, `[1]`, of `x`, weight and bias.
#[derive(Clone, Debug)]
struct LinearCrossEntropy(Labels);

/// The gradients that were wanted, of the sum.
#[derive(Clone, Debug)]
struct Gradients<B: Backend> {
    x: Option<FloatTensor<B>>,
    /// In the order of the weight's memory.
    weight: Option<FloatTensor<B>>,
    bias: Option<FloatTensor<B>>,
    is_column_major: bool,
}

impl Operation<3, 0> for LinearCrossEntropy {
    type Saved<B: SliceBackend<f32>> = Gradients<B>;

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        [x_is_tracked, weight_is_tracked, bias_is_tracked]: [bool; 3],
    ) -> (FloatTensor<B>, Gradients<B>) {
        let (inputs, bias) = inputs.split();
        let [x, weight] = inputs.map(readable::<B>);
        let (device, bias) = (x.device(), bias.map(contiguous::<B, f32>));
        let problem = Problem {
            x: matrix::<B>(&x),
            weight: matrix::<B>(&weight),
            bias: bias.as_ref().map(slice::<B, f32>),
            labels: self.0.as_slices(),
        };
        let wanted =
            WantedGradients { x: x_is_tracked, weight: weight_is_tracked, bias: bias_is_tracked };
        let is_column_major = problem.weight.is_column_major();
        let [n, d, v] = [problem.x.rows(), problem.x.columns(), problem.weight.columns()];
        let (cost, of) = sum(isa(), problem, wanted);
        let in_memory = if is_column_major { [v, d] } else { [d, v] };
        let gradients = Gradients {
            x: of.x.map(|of_x| tensor::<B, f32>(of_x, [n, d], &device)),
            weight: of.weight.map(|of_weight| tensor::<B, f32>(of_weight, in_memory, &device)),
            bias: of.bias.map(|of_bias| tensor::<B, f32>(of_bias, [v], &device)),
            is_column_major,
        };
        (tensor::<B, f32>(vec![cost], [1], &device), gradients)
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        gradients: Gradients<B>,
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 3>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let factor = slice::<B, f32>(&gradient)[0];
        let scaled = |tensor| modified::<B, f32>(tensor, |x| scale(isa(), x, factor));
        let Gradients { x, weight, bias, is_column_major } = gradients;
        let weight = weight.map(scaled).map(|of_weight| {
            if is_column_major { B::float_swap_dims(of_weight, 0, 1) } else { of_weight }
        });
        for (slot, of) in [x.map(scaled), weight, bias.map(scaled)].into_iter().enumerate() {
            if let Some(of) = of {
                parents.register(slot, of);
            }
        }
    }
}
