//! Dropout as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::dropout::DropoutRows;
use crate::cpu::isa;
use crate::maybe::Maybe;
use crate::parameters::DropoutMask;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, slice, tensor};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn dropout<const D: usize>(
    mask: DropoutMask,
    x: Tensor<D>,
    residual: Option<Tensor<D>>,
) -> Tensor<D> {
    let residual = Maybe::from_option(residual.map(Tensor::into_dispatch));
    Tensor::from_dispatch(<Dispatch as DropoutOps>::dropout(x.into_dispatch(), residual, mask))
}

/// Dropout of tensors of one shape.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait DropoutOps: Backend {
    /// The elements of `x` that are kept, scaled, plus `residual`.
    fn dropout(
        x: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        mask: DropoutMask,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(DropoutOps {
    fn dropout(
        x: FloatTensor<Self>,
        residual: Maybe<Self>,
        mask: DropoutMask,
    ) -> FloatTensor<Self> {
        let residual = residual.into_option().map(contiguous::<Self, f32>);
        let plus = residual.as_ref().map(slice::<Self, f32>);
        // Without dimensions, one row of one element.
        let width = x.shape().iter().last().copied().unwrap_or(1);
        let drop = DropoutRows { width, mask: &mask, plus };
        let mut x = contiguous::<Self, f32>(x);
        if let Some(elements) = Self::memory_mut(&mut x) {
            drop.in_place(isa(), elements);
            return x;
        }
        let dropped = drop.of(isa(), slice::<Self, f32>(&x));
        tensor::<Self, f32>(dropped, x.shape(), &x.device())
    }
});

/// The node of the result.
#[derive(Debug)]
struct Dropped;

#[derive(Clone, Debug)]
struct State {
    mask: DropoutMask,
    has_residual: bool,
}

impl<B: SliceBackend<f32> + DropoutOps> Backward<B, 2> for Dropped {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [x, residual], state } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = x {
            graph.register::<B>(parent.id, B::dropout(gradient.clone(), Maybe::Absent, state.mask));
        }
        if let Some(parent) = residual.filter(|_| state.has_residual) {
            graph.register::<B>(parent.id, gradient);
        }
    }
}

impl<B: SliceBackend<f32> + DropoutOps, C: CheckpointStrategy> DropoutOps for Autodiff<B, C> {
    fn dropout(
        x: FloatTensor<Self>,
        residual: Maybe<Self>,
        mask: DropoutMask,
    ) -> FloatTensor<Self> {
        let state = State { mask, has_residual: residual.as_ref().is_some() };
        // In the slot of a residual that is absent stands the input, whose gradient is not asked
        // twice.
        let nodes = [x.node(), residual.as_ref().unwrap_or(&x).node()];
        let residual = residual.map(|residual| residual.into_primitive());
        match Dropped.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(state, B::dropout(x.into_primitive(), residual, mask))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::dropout(x.into_primitive(), residual, mask)),
        }
    }
}
