//! A accumulator in burn's graph of gradients; on the processor backends themselves it is nothing.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use super::GradientAccumulator;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// The same tensor for several readers.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait AccumulatorOps: Backend {
    /// For readers that know the accumulator.
    fn accumulator(x: FloatTensor<Self>, accumulator: GradientAccumulator) -> FloatTensor<Self>;

    /// Of a forked tensor, for one that knows nothing of it.
    fn pass(x: FloatTensor<Self>, accumulator: GradientAccumulator) -> FloatTensor<Self>;
}

for_slice_backends!(AccumulatorOps {
    fn accumulator(x: FloatTensor<Self>, _: GradientAccumulator) -> FloatTensor<Self> {
        x
    }

    fn pass(x: FloatTensor<Self>, _: GradientAccumulator) -> FloatTensor<Self> {
        x
    }
});

/// The node of a forked tensor.
#[derive(Debug)]
struct Accumulated;

impl<B: SliceBackend<f32>> Backward<B, 1> for Accumulated {
    type State = GradientAccumulator;

    fn backward(
        self,
        ops: Ops<GradientAccumulator, 1>,
        graph: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let Ops { node, parents: [x], state } = ops;
        // A token.
        graph.consume::<B>(&node);
        if let (Some(parent), Some(sum)) = (x, state.take::<B>()) {
            graph.register::<B>(parent.id, sum);
        }
    }
}

/// The node of a reader that knows nothing of the accumulator.
#[derive(Debug)]
struct Passed;

impl<B: SliceBackend<f32>> Backward<B, 1> for Passed {
    type State = GradientAccumulator;

    fn backward(
        self,
        ops: Ops<GradientAccumulator, 1>,
        graph: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let Ops { node, parents: [x], state } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = x {
            state.register::<B>(graph, parent.id, |sum| match sum {
                None => gradient,
                Some(sum) => {
                    let gradient = contiguous::<B, f32>(gradient);
                    let gradient = slice::<B, f32>(&gradient);
                    modified::<B, f32>(sum, |sum| {
                        sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
                    })
                }
            });
        }
    }
}

impl<B: SliceBackend<f32> + AccumulatorOps, C: CheckpointStrategy> AccumulatorOps
    for Autodiff<B, C>
{
    fn accumulator(x: FloatTensor<Self>, accumulator: GradientAccumulator) -> FloatTensor<Self> {
        match Accumulated.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(accumulator, x.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(x.into_primitive()),
        }
    }

    fn pass(x: FloatTensor<Self>, accumulator: GradientAccumulator) -> FloatTensor<Self> {
        match Passed.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(accumulator, x.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(x.into_primitive()),
        }
    }
}
