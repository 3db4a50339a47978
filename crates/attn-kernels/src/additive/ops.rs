//! Additive scores as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::additive::{Pairs, backward, forward};
use crate::cpu::isa;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn scores(query: Tensor<4>, key: Tensor<4>, v: Tensor<1>) -> Tensor<4> {
    let (query, key, v) = (query.into_dispatch(), key.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as AdditiveOps>::additive_scores(query, key, v))
}

/// Scores of additive attention.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait AdditiveOps: Backend {
    /// `[batch, heads, queries, keys]`
    fn additive_scores(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(AdditiveOps {
    fn additive_scores(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [query, key, v].map(contiguous::<Self, f32>);
        let scores = forward(isa(), pairs::<Self>(&inputs));
        let [batch, heads, queries, _] = inputs[0].shape().dims();
        let keys = inputs[1].shape().dims::<4>()[2];
        tensor::<Self, f32>(scores, [batch, heads, queries, keys], &inputs[0].device())
    }
});

/// Of tensors in order.
fn pairs<B: SliceBackend<f32>>(inputs: &[FloatTensor<B>; 3]) -> Pairs<'_> {
    let [_, _, queries, d] = inputs[0].shape().dims();
    let keys = inputs[1].shape().dims::<4>()[2];
    let [query, key, v] = inputs.each_ref().map(slice::<B, f32>);
    Pairs { query, key, v, queries, keys, d }
}

/// The node of the scores.
#[derive(Debug)]
struct Scores;

impl<B: SliceBackend<f32>> Backward<B, 3> for Scores {
    type State = [NodeId; 3];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents, state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        let inputs = state.map(|id| contiguous::<B, f32>(checkpointer.retrieve_node_output(id)));
        let gradients = backward(isa(), pairs::<B>(&inputs), slice::<B, f32>(&gradient));
        for ((parent, of_input), input) in parents.into_iter().zip(gradients).zip(&inputs) {
            if let Some(parent) = parent {
                let of_input = tensor::<B, f32>(of_input, input.shape(), &input.device());
                graph.register::<B>(parent.id, of_input);
            }
        }
    }
}

impl<B: SliceBackend<f32> + AdditiveOps, C: CheckpointStrategy> AdditiveOps for Autodiff<B, C> {
    fn additive_scores(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [query, key, v];
        let run = |inputs: [FloatTensor<Self>; 3]| {
            let [query, key, v] = inputs.map(|tensor| tensor.into_primitive());
            B::additive_scores(query, key, v)
        };
        let nodes = inputs.each_ref().map(|tensor| tensor.node());
        match Scores.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = inputs.each_ref().map(|tensor| prep.checkpoint(tensor));
                prep.finish(state, run(inputs))
            }
            OpsKind::UnTracked(prep) => prep.finish(run(inputs)),
        }
    }
}
