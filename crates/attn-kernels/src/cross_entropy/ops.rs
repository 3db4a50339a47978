//! Cross-entropy as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::cross_entropy::{self as kernel, LogSumExps, backward, forward};
use crate::cpu::isa;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::sync::Arc;

pub(super) fn cross_entropy(
    logits: Tensor<2>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    let labels = Labels::new(labels, smoothing);
    Tensor::from_dispatch(<Dispatch as CrossEntropyOps>::cross_entropy(
        logits.into_dispatch(),
        labels,
    ))
}

/// What the rows of logits should have been.
#[derive(Clone, Debug)]
pub struct Labels {
    of_rows: Arc<[Option<u32>]>,
    smoothing: f64,
}

impl Labels {
    pub(super) fn new(of_rows: &[Option<u32>], smoothing: f64) -> Self {
        Self { of_rows: of_rows.into(), smoothing }
    }

    pub(super) fn as_slices(&self) -> kernel::Labels<'_> {
        kernel::Labels { of_rows: &self.of_rows, smoothing: self.smoothing }
    }
}

/// Cross-entropy of the rows of a matrix.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait CrossEntropyOps: Backend {
    /// The sum over the rows, `[1]`.
    fn cross_entropy(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self>;
}

for_slice_backends!(CrossEntropyOps {
    fn cross_entropy(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self> {
        let (sum, _) = forward_sum::<Self>(&contiguous::<Self, f32>(logits), &labels);
        sum
    }
});

/// Of logits in order.
fn forward_sum<B: SliceBackend<f32>>(
    logits: &FloatTensor<B>,
    labels: &Labels,
) -> (FloatTensor<B>, LogSumExps) {
    let (costs, log_sum_exps) = forward(isa(), slice::<B, f32>(logits), labels.as_slices());
    let sum = costs.iter().map(|&cost| f64::from(cost)).sum::<f64>() as f32;
    (tensor::<B, f32>(vec![sum], [1], &logits.device()), log_sum_exps)
}

/// The node of the sum.
#[derive(Debug)]
struct CrossEntropy;

#[derive(Clone, Debug)]
struct State {
    logits: NodeId,
    labels: Labels,
    log_sum_exps: LogSumExps,
}

impl<B: SliceBackend<f32>> Backward<B, 1> for CrossEntropy {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, graph: &mut Gradients, checkpointer: &mut Checkpointer) {
        let Ops { node, parents: [parent], state } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        if let Some(parent) = parent {
            let logits = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.logits);
            let gradient = slice::<B, f32>(&gradient)[0];
            let of_logits = modified::<B, f32>(logits, |logits| {
                let labels = state.labels.as_slices();
                backward(isa(), logits, labels, &state.log_sum_exps, gradient);
            });
            graph.register::<B>(parent.id, of_logits);
        }
    }
}

impl<B: SliceBackend<f32> + CrossEntropyOps, C: CheckpointStrategy> CrossEntropyOps
    for Autodiff<B, C>
{
    fn cross_entropy(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self> {
        match CrossEntropy.prepare::<C>([logits.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let id = prep.checkpoint(&logits);
                let logits = contiguous::<B, f32>(logits.into_primitive());
                let (sum, log_sum_exps) = forward_sum::<B>(&logits, &labels);
                prep.finish(State { logits: id, labels, log_sum_exps }, sum)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::cross_entropy(logits.into_primitive(), labels))
            }
        }
    }
}
