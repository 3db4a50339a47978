//! The linear map as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::isa;
use crate::cpu::linear::{Addend, product, product_into, sum_rows};
use crate::cpu::matrix::Matrix;
use crate::gradient_accumulator::GradientAccumulator;
use crate::maybe::Maybe;
use crate::slices::{
    SliceBackend, contiguous, for_slice_backends, memory, modified, slice, tensor,
};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let mut dims = x.dims();
    let [d_input, d_output] = weight.dims();
    let rows = dims[..D - 1].iter().product::<usize>();
    dims[D - 1] = d_output;
    map(x.reshape([rows, d_input]), weight, bias, GradientAccumulator::default()).reshape(dims)
}

pub(super) fn linear_maps<const D: usize, const N: usize>(
    x: Tensor<D>,
    maps: [(Tensor<2>, Option<Tensor<1>>); N],
) -> [Tensor<D>; N] {
    let mut dims = x.dims();
    let width = dims[D - 1];
    // The graph knows nothing of forks: between a accumulator and its readers there is no other node.
    let rows = dims[..D - 1].iter().product::<usize>();
    let (x, accumulator) = GradientAccumulator::new(x.reshape([rows, width]));
    maps.map(|(weight, bias)| {
        dims[D - 1] = weight.dims()[1];
        map(x.clone(), weight, bias, accumulator.clone()).reshape(dims)
    })
}

fn map(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    accumulator: GradientAccumulator,
) -> Tensor<2> {
    let bias = Maybe::from_option(bias.map(Tensor::into_dispatch));
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as LinearOps>::linear(x, weight, bias, accumulator))
}

/// The linear map of the rows of a matrix.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait LinearOps: Backend {
    /// `[rows, d_input] · [d_input, d_output] + [d_output]`; the accumulator is that of `x`.
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        accumulator: GradientAccumulator,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(LinearOps {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        _: GradientAccumulator,
    ) -> FloatTensor<Self> {
        forward(x, weight, bias)
    }
});

fn forward<B: SliceBackend<f32>>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Maybe<B>,
) -> FloatTensor<B> {
    let device = x.device();
    let (x, weight) = (readable::<B>(x), readable::<B>(weight));
    let bias = bias.into_option().map(contiguous::<B, f32>);
    let (x, weight) = (matrix::<B>(&x), matrix::<B>(&weight));
    let y = product(x, weight, bias.as_ref().map(slice::<B, f32>));
    tensor::<B, f32>(y, [x.rows(), weight.columns()], &device)
}

/// The tensor, copied if it runs backwards.
pub(crate) fn readable<B: SliceBackend<f32>>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    if B::memory(&tensor).is_some_and(|memory| memory.strides.iter().all(|&stride| stride >= 0)) {
        tensor
    } else {
        B::to_contiguous(tensor)
    }
}

/// Of a tensor that is [readable].
pub(crate) fn matrix<B: SliceBackend<f32>>(tensor: &FloatTensor<B>) -> Matrix<'_> {
    let dims = tensor.shape().dims::<2>();
    let memory = memory::<B, f32>(tensor);
    let strides = std::array::from_fn(|axis| match dims[axis] {
        // That of a single index means nothing, and backends write there what they like.
        1 => 1,
        _ => memory.strides[axis].unsigned_abs(),
    });
    Matrix::new(memory.data, dims, strides)
}

/// Whether its gradient should lie by columns, as it does itself.
fn is_column_major<B: SliceBackend<f32>>(weight: &FloatTensor<B>) -> bool {
    B::memory(weight).is_some_and(|memory| memory.strides[0] == 1 && memory.strides[1] > 1)
}

/// The node of the result.
#[derive(Debug)]
struct Linear;

#[derive(Clone, Debug)]
struct State {
    x: NodeId,
    weight: NodeId,
    /// Of `x`.
    accumulator: GradientAccumulator,
    has_bias: bool,
    /// Of the weight.
    is_column_major: bool,
}

impl<B: SliceBackend<f32>> Backward<B, 3> for Linear {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, graph: &mut Gradients, checkpointer: &mut Checkpointer) {
        let Ops { node, parents: [x, weight, bias], state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        let device = gradient.device();
        let dims = gradient.shape().dims::<2>();
        let output = Matrix::row_major(slice::<B, f32>(&gradient), dims[1]);
        if let Some(parent) = x {
            let weight = readable::<B>(checkpointer.retrieve_node_output(state.weight));
            let weight = matrix::<B>(&weight).transposed();
            state.accumulator.register::<B>(graph, parent.id, |sum| match sum {
                None => {
                    let of_x = product(output, weight, None);
                    tensor::<B, f32>(of_x, [dims[0], weight.columns()], &device)
                }
                Some(sum) => modified::<B, f32>(sum, |sum| {
                    product_into(output, weight, Addend::Previous, sum)
                }),
            });
        }
        if let Some(parent) = weight {
            let x = readable::<B>(checkpointer.retrieve_node_output(state.x));
            let x = matrix::<B>(&x);
            let of_weight = if state.is_column_major {
                let of_weight = product(output.transposed(), x, None);
                let of_weight = tensor::<B, f32>(of_weight, [dims[1], x.columns()], &device);
                B::float_swap_dims(of_weight, 0, 1)
            } else {
                let of_weight = product(x.transposed(), output, None);
                tensor::<B, f32>(of_weight, [x.columns(), dims[1]], &device)
            };
            graph.register::<B>(parent.id, of_weight);
        }
        if let Some(parent) = bias.filter(|_| state.has_bias) {
            let d_bias = sum_rows(isa(), slice::<B, f32>(&gradient), dims[1]);
            graph.register::<B>(parent.id, tensor::<B, f32>(d_bias, [dims[1]], &device));
        }
    }
}

impl<B: SliceBackend<f32> + LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        accumulator: GradientAccumulator,
    ) -> FloatTensor<Self> {
        // In the slot of a bias that is absent stands the input, whose gradient is not asked twice.
        let nodes = [x.node(), weight.node(), bias.as_ref().unwrap_or(&x).node()];
        let map = |x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: Maybe<Self>| {
            let bias = bias.map(|bias| bias.into_primitive());
            forward::<B>(x.into_primitive(), weight.into_primitive(), bias)
        };
        match Linear.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let has_bias = bias.as_ref().is_some();
                let (x_id, weight_id) = (prep.checkpoint(&x), prep.checkpoint(&weight));
                let is_column_major = is_column_major::<B>(weight.primitive());
                let state =
                    State { x: x_id, weight: weight_id, accumulator, has_bias, is_column_major };
                prep.finish(state, map(x, weight, bias))
            }
            OpsKind::UnTracked(prep) => prep.finish(map(x, weight, bias)),
        }
    }
}
