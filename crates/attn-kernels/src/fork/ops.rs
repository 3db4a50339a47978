//! A fork in burn's graph of gradients; on the processor backends themselves it is nothing.
#![allow(deprecated)] // burn's ndarray, in favour of flex.

use super::Fork;
use crate::slices::{Slices, changed, in_order, on_slices, slice};
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
pub trait ForkOps: Backend {
    /// For readers that know the fork.
    fn fork(x: FloatTensor<Self>, fork: Fork) -> FloatTensor<Self>;

    /// Of a forked tensor, for one that knows nothing of it.
    fn pass(x: FloatTensor<Self>, fork: Fork) -> FloatTensor<Self>;
}

on_slices!(ForkOps {
    fn fork(x: FloatTensor<Self>, _: Fork) -> FloatTensor<Self> {
        x
    }

    fn pass(x: FloatTensor<Self>, _: Fork) -> FloatTensor<Self> {
        x
    }
});

/// The node of a forked tensor.
#[derive(Debug)]
struct Forked;

impl<B: Slices<f32>> Backward<B, 1> for Forked {
    type State = Fork;

    fn backward(self, ops: Ops<Fork, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [x], state } = ops;
        // A token.
        graph.consume::<B>(&node);
        if let (Some(parent), Some(sum)) = (x, state.take::<B>()) {
            graph.register::<B>(parent.id, sum);
        }
    }
}

/// The node of a reader that knows nothing of the fork.
#[derive(Debug)]
struct Passed;

impl<B: Slices<f32>> Backward<B, 1> for Passed {
    type State = Fork;

    fn backward(self, ops: Ops<Fork, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [x], state } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = x {
            state.register::<B>(graph, parent.id, |sum| match sum {
                None => gradient,
                Some(sum) => {
                    let gradient = in_order::<B, f32>(gradient);
                    let gradient = slice::<B, f32>(&gradient);
                    changed::<B, f32>(sum, |sum| {
                        sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
                    })
                }
            });
        }
    }
}

impl<B: Slices<f32> + ForkOps, C: CheckpointStrategy> ForkOps for Autodiff<B, C> {
    fn fork(x: FloatTensor<Self>, fork: Fork) -> FloatTensor<Self> {
        match Forked.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(fork, x.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(x.into_primitive()),
        }
    }

    fn pass(x: FloatTensor<Self>, fork: Fork) -> FloatTensor<Self> {
        match Passed.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(fork, x.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(x.into_primitive()),
        }
    }
}
