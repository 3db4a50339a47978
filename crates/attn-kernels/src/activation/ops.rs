//! Activations as operations of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::activation::{backward, forward, gated_backward, gated_forward};
use crate::cpu::isa;
use crate::parameters::Activation;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn activation<const D: usize>(f: Activation, x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as ActivationOps>::activation(x.into_dispatch(), f))
}

pub(super) fn gate<const D: usize>(f: Activation, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    Tensor::from_dispatch(<Dispatch as ActivationOps>::activation_gate(x, y, f))
}

/// Activations of tensors of one shape.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait ActivationOps: Backend {
    /// `f(x)`
    fn activation(x: FloatTensor<Self>, f: Activation) -> FloatTensor<Self>;

    /// `f(x) ⊗ y`
    fn activation_gate(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        f: Activation,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(ActivationOps {
    fn activation(x: FloatTensor<Self>, f: Activation) -> FloatTensor<Self> {
        let x = contiguous::<Self, f32>(x);
        let y = forward(isa(), f, slice::<Self, f32>(&x));
        tensor::<Self, f32>(y, x.shape(), &x.device())
    }

    fn activation_gate(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        f: Activation,
    ) -> FloatTensor<Self> {
        let [x, y] = [x, y].map(contiguous::<Self, f32>);
        let z = gated_forward(isa(), f, slice::<Self, f32>(&x), slice::<Self, f32>(&y));
        tensor::<Self, f32>(z, x.shape(), &x.device())
    }
});

/// The node of an activation.
#[derive(Debug)]
struct Plain;

impl<B: SliceBackend<f32>> Backward<B, 1> for Plain {
    type State = (NodeId, Activation);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents: [parent], state: (x, f) } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = parent {
            let x = contiguous::<B, f32>(checkpointer.retrieve_node_output(x));
            let x = slice::<B, f32>(&x);
            let gradient = modified::<B, f32>(gradient, |gradient| backward(isa(), f, x, gradient));
            graph.register::<B>(parent.id, gradient);
        }
    }
}

/// The node of a gate.
#[derive(Debug)]
struct Gate;

impl<B: SliceBackend<f32>> Backward<B, 2> for Gate {
    type State = ([NodeId; 2], Activation);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents, state: (inputs, f) } = ops;
        let gradient = graph.consume::<B>(&node);
        let [x, y] = inputs.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let y = contiguous::<B, f32>(y);
        let y = slice::<B, f32>(&y);
        let mut of_x = None;
        let of_y = modified::<B, f32>(gradient, |gradient| {
            of_x = Some(modified::<B, f32>(x, |x| gated_backward(isa(), f, y, x, gradient)));
        });
        for (parent, gradient) in parents.into_iter().zip([of_x, Some(of_y)]) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                graph.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: SliceBackend<f32> + ActivationOps, C: CheckpointStrategy> ActivationOps for Autodiff<B, C> {
    fn activation(x: FloatTensor<Self>, f: Activation) -> FloatTensor<Self> {
        match Plain.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), f);
                prep.finish(state, B::activation(x.into_primitive(), f))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::activation(x.into_primitive(), f)),
        }
    }

    fn activation_gate(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        f: Activation,
    ) -> FloatTensor<Self> {
        let gate = |x: FloatTensor<Self>, y: FloatTensor<Self>| {
            B::activation_gate(x.into_primitive(), y.into_primitive(), f)
        };
        match Gate.prepare::<C>([x.node(), y.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = ([prep.checkpoint(&x), prep.checkpoint(&y)], f);
                prep.finish(state, gate(x, y))
            }
            OpsKind::UnTracked(prep) => prep.finish(gate(x, y)),
        }
    }
}
