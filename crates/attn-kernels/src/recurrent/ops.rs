//! Steps of recurrent cells as operations of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::isa;
use crate::cpu::recurrent::{Step, gru_backward, gru_forward, lstm_backward, lstm_forward};
use crate::slices::{SliceBackend, contiguous, for_slice_backends, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn lstm(projected: Tensor<2>, recurrent: Tensor<2>, cell: Tensor<2>) -> Tensor<2> {
    let [projected, recurrent, cell] = [projected, recurrent, cell].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as RecurrentOps>::lstm_cell(projected, recurrent, cell))
}

pub(super) fn gru(projected: Tensor<2>, recurrent: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
    let [projected, recurrent, hidden] = [projected, recurrent, hidden].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as RecurrentOps>::gru_cell(projected, recurrent, hidden))
}

/// Steps of recurrent cells.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait RecurrentOps: Backend {
    /// Hidden state and memory cell side by side.
    fn lstm_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        cell: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The hidden state.
    fn gru_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(RecurrentOps {
    fn lstm_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        cell: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [projected, recurrent, cell].map(contiguous::<Self, f32>);
        let step = step::<Self>(&inputs);
        let output = lstm_forward(isa(), step);
        let [rows, d] = inputs[2].shape().dims();
        tensor::<Self, f32>(output, [rows, 2 * d], &inputs[2].device())
    }

    fn gru_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [projected, recurrent, hidden].map(contiguous::<Self, f32>);
        let output = gru_forward(isa(), step::<Self>(&inputs));
        tensor::<Self, f32>(output, inputs[2].shape(), &inputs[2].device())
    }
});

/// Of tensors in order.
fn step<B: SliceBackend<f32>>(inputs: &[FloatTensor<B>; 3]) -> Step<'_> {
    let [_, d] = inputs[2].shape().dims();
    let [projected, recurrent, carried] = inputs.each_ref().map(slice::<B, f32>);
    Step { projected, recurrent, carried, d }
}

/// The inputs of a node, again.
fn retrieved<B: SliceBackend<f32>>(
    inputs: [NodeId; 3],
    checkpointer: &mut Checkpointer,
) -> [FloatTensor<B>; 3] {
    inputs.map(|id| contiguous::<B, f32>(checkpointer.retrieve_node_output(id)))
}

/// The node of a step of an LSTM.
#[derive(Debug)]
struct Lstm;

impl<B: SliceBackend<f32>> Backward<B, 3> for Lstm {
    type State = [NodeId; 3];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents: [projected, recurrent, cell], state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        let inputs = retrieved::<B>(state, checkpointer);
        let [of_gates, of_cell] =
            lstm_backward(isa(), step::<B>(&inputs), slice::<B, f32>(&gradient));
        let device = gradient.device();
        let of_gates = tensor::<B, f32>(of_gates, inputs[0].shape(), &device);
        for parent in [projected, recurrent].into_iter().flatten() {
            graph.register::<B>(parent.id, of_gates.clone());
        }
        if let Some(parent) = cell {
            graph.register::<B>(parent.id, tensor::<B, f32>(of_cell, inputs[2].shape(), &device));
        }
    }
}

/// The node of a step of a GRU.
#[derive(Debug)]
struct Gru;

impl<B: SliceBackend<f32>> Backward<B, 3> for Gru {
    type State = [NodeId; 3];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents, state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        let inputs = retrieved::<B>(state, checkpointer);
        let gradients = gru_backward(isa(), step::<B>(&inputs), slice::<B, f32>(&gradient));
        let device = gradient.device();
        for ((parent, of_input), input) in parents.into_iter().zip(gradients).zip(&inputs) {
            if let Some(parent) = parent {
                let of_input = tensor::<B, f32>(of_input, input.shape(), &device);
                graph.register::<B>(parent.id, of_input);
            }
        }
    }
}

impl<B: SliceBackend<f32> + RecurrentOps, C: CheckpointStrategy> RecurrentOps for Autodiff<B, C> {
    fn lstm_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        cell: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [projected, recurrent, cell];
        let run = |inputs: [FloatTensor<Self>; 3]| {
            let [projected, recurrent, cell] = inputs.map(|input| input.into_primitive());
            B::lstm_cell(projected, recurrent, cell)
        };
        match Lstm.prepare::<C>(inputs.each_ref().map(|x| x.node())).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = inputs.each_ref().map(|input| prep.checkpoint(input));
                prep.finish(state, run(inputs))
            }
            OpsKind::UnTracked(prep) => prep.finish(run(inputs)),
        }
    }

    fn gru_cell(
        projected: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [projected, recurrent, hidden];
        let run = |inputs: [FloatTensor<Self>; 3]| {
            let [projected, recurrent, hidden] = inputs.map(|input| input.into_primitive());
            B::gru_cell(projected, recurrent, hidden)
        };
        match Gru.prepare::<C>(inputs.each_ref().map(|x| x.node())).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = inputs.each_ref().map(|input| prep.checkpoint(input));
                prep.finish(state, run(inputs))
            }
            OpsKind::UnTracked(prep) => prep.finish(run(inputs)),
        }
    }
}
