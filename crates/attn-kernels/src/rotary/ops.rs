//! Rotation as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::isa;
use crate::cpu::rotary::{Angles, Direction, rotate as turn};
use crate::parameters::Pairing;
use crate::slices::{
    SliceBackend, contiguous, for_slice_backends, output_tensor, slice, view, with_contiguous_rows,
};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>, pairing: Pairing) -> Tensor<4> {
    let [x, cos, sin] = [x, cos, sin].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as RotaryOps>::rotate(x, cos, sin, pairing))
}

/// Rotation of pairs of features.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait RotaryOps: Backend {
    /// `x` turned by angles; these are constants.
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        pairing: Pairing,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(RotaryOps {
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        pairing: Pairing,
    ) -> FloatTensor<Self> {
        turned::<Self>(x, [cos, sin], pairing, Direction::Forwards)
    }
});

fn turned<B: SliceBackend<f32>>(
    x: FloatTensor<B>,
    angles: [FloatTensor<B>; 2],
    pairing: Pairing,
    direction: Direction,
) -> FloatTensor<B> {
    let x = with_contiguous_rows::<B, f32>(x);
    let [cos, sin] = angles.map(contiguous::<B, f32>);
    let [cos, sin] = [&cos, &sin].map(slice::<B, f32>);
    let turned = turn(isa(), &view::<B, f32>(&x), Angles { cos, sin }, pairing, direction);
    output_tensor::<B, f32>(turned, &x.device())
}

/// The node of the result.
#[derive(Debug)]
struct Rotated;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    pairing: Pairing,
}

impl<B: SliceBackend<f32>> Backward<B, 1> for Rotated {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [parent], state: State { cos, sin, pairing } } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = parent {
            // The transpose of a rotation turns back.
            let gradient = turned::<B>(gradient, [cos, sin], pairing, Direction::Backwards);
            graph.register::<B>(parent.id, gradient);
        }
    }
}

impl<B: SliceBackend<f32> + RotaryOps, C: CheckpointStrategy> RotaryOps for Autodiff<B, C> {
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        pairing: Pairing,
    ) -> FloatTensor<Self> {
        let node = x.node();
        let [x, cos, sin] = [x, cos, sin].map(|tensor| tensor.into_primitive());
        match Rotated.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = State { cos: cos.clone(), sin: sin.clone(), pairing };
                prep.finish(state, B::rotate(x, cos, sin, pairing))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::rotate(x, cos, sin, pairing)),
        }
    }
}
