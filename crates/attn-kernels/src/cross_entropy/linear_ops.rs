//! Cross-entropy of a linear map as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use super::ops::Labels;
use crate::cpu::isa;
use crate::cpu::linear_cross_entropy::{Problem, WantedGradients, scale, sum};
use crate::linear::ops::{matrix, readable};
use crate::maybe::Maybe;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice, tensor};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as Graph;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn linear_cross_entropy(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as LinearCrossEntropyOps>::linear_cross_entropy(
        x.into_dispatch(),
        weight.into_dispatch(),
        Maybe::from_option(bias.map(Tensor::into_dispatch)),
        Labels::new(labels, smoothing),
    ))
}

/// Cross-entropy of the rows that a linear map makes.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait LinearCrossEntropyOps: Backend {
    /// The sum over the rows, `[1]`.
    fn linear_cross_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        labels: Labels,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(LinearCrossEntropyOps {
    fn linear_cross_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        labels: Labels,
    ) -> FloatTensor<Self> {
        run::<Self>(x, weight, bias, &labels, WantedGradients::default()).0
    }
});

/// The gradients that were wanted, of the sum.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: Option<FloatTensor<B>>,
    /// As the weight lies.
    weight: Option<FloatTensor<B>>,
    bias: Option<FloatTensor<B>>,
    is_column_major: bool,
}

fn run<B: SliceBackend<f32>>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Maybe<B>,
    labels: &Labels,
    wanted: WantedGradients,
) -> (FloatTensor<B>, State<B>) {
    let device = x.device();
    let (x, weight) = (readable::<B>(x), readable::<B>(weight));
    let bias = bias.into_option().map(contiguous::<B, f32>);
    let problem = Problem {
        x: matrix::<B>(&x),
        weight: matrix::<B>(&weight),
        bias: bias.as_ref().map(slice::<B, f32>),
        labels: labels.as_slices(),
    };
    let is_column_major = problem.weight.is_column_major();
    let [n, d, v] = [problem.x.rows(), problem.x.columns(), problem.weight.columns()];
    let (cost, gradients) = sum(isa(), problem, wanted);
    let as_it_lies = if is_column_major { [v, d] } else { [d, v] };
    let state = State {
        x: gradients.x.map(|of_x| tensor::<B, f32>(of_x, [n, d], &device)),
        weight: gradients.weight.map(|of_w| tensor::<B, f32>(of_w, as_it_lies, &device)),
        bias: gradients.bias.map(|of_bias| tensor::<B, f32>(of_bias, [v], &device)),
        is_column_major,
    };
    (tensor::<B, f32>(vec![cost], [1], &device), state)
}

/// The node of the sum.
#[derive(Debug)]
struct LinearCrossEntropy;

impl<B: SliceBackend<f32>> Backward<B, 3> for LinearCrossEntropy {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 3>, graph: &mut Graph, _: &mut Checkpointer) {
        let Ops { node, parents: [x, weight, bias], state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        let factor = slice::<B, f32>(&gradient)[0];
        let scaled = |tensor| modified::<B, f32>(tensor, |x| scale(isa(), x, factor));
        let of_weight = state.weight.map(scaled).map(|of_weight| {
            if state.is_column_major { B::float_swap_dims(of_weight, 0, 1) } else { of_weight }
        });
        let gradients =
            [(x, state.x.map(scaled)), (weight, of_weight), (bias, state.bias.map(scaled))];
        for (parent, gradient) in gradients {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                graph.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: SliceBackend<f32> + LinearCrossEntropyOps, C: CheckpointStrategy> LinearCrossEntropyOps
    for Autodiff<B, C>
{
    fn linear_cross_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        labels: Labels,
    ) -> FloatTensor<Self> {
        let wanted = WantedGradients {
            x: x.is_tracked(),
            weight: weight.is_tracked(),
            bias: bias.as_ref().is_some_and(|bias| bias.is_tracked()),
        };
        // In the slot of a bias that is absent stands the input, whose gradient is not asked twice.
        let nodes = [x.node(), weight.node(), bias.as_ref().unwrap_or(&x).node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let bias: Maybe<B> = bias.map(|bias| bias.into_primitive());
        match LinearCrossEntropy.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (sum, state) = run::<B>(x, weight, bias, &labels, wanted);
                prep.finish(state, sum)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::linear_cross_entropy(x, weight, bias, labels))
            }
        }
    }
}
