//! Norms as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::isa;
use crate::cpu::norm::{Rows, backward, forward};
use crate::gradient_accumulator::GradientAccumulator;
use crate::maybe::Maybe;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
    accumulator: GradientAccumulator,
) -> Tensor<D> {
    let (x, gamma) = (x.into_dispatch(), gamma.into_dispatch());
    let beta = Maybe::from_option(beta.map(Tensor::into_dispatch));
    Tensor::from_dispatch(<Dispatch as NormOps>::norm(x, gamma, beta, epsilon, accumulator))
}

/// Norms of the last dimension.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait NormOps: Backend {
    /// Layer normalization, if there is a shift; else root-mean-square normalization. The accumulator is
    /// that of `x`.
    fn norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        #[extension_type] beta: Maybe<Self>,
        epsilon: f64,
        accumulator: GradientAccumulator,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(NormOps {
    fn norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Maybe<Self>,
        epsilon: f64,
        _: GradientAccumulator,
    ) -> FloatTensor<Self> {
        forward_rows::<Self>(x, gamma, beta, epsilon)
    }
});

fn forward_rows<B: SliceBackend<f32>>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: Maybe<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let inputs = Inputs::<B>::new(x, gamma, beta);
    let y = forward(isa(), inputs.rows(epsilon));
    tensor::<B, f32>(y, inputs.x.shape(), &inputs.x.device())
}

/// In order.
struct Inputs<B: Backend> {
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: Option<FloatTensor<B>>,
}

impl<B: SliceBackend<f32>> Inputs<B> {
    fn new(x: FloatTensor<B>, gamma: FloatTensor<B>, beta: Maybe<B>) -> Self {
        let beta = beta.into_option().map(contiguous::<B, f32>);
        Self { x: contiguous::<B, f32>(x), gamma: contiguous::<B, f32>(gamma), beta }
    }

    fn rows(&self, epsilon: f64) -> Rows<'_> {
        Rows {
            x: slice::<B, f32>(&self.x),
            gain: slice::<B, f32>(&self.gamma),
            shift: self.beta.as_ref().map(slice::<B, f32>),
            centered: self.beta.is_some(),
            epsilon: epsilon as f32,
        }
    }
}

/// The node of the result.
#[derive(Debug)]
struct Norm;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: NodeId,
    gamma: NodeId,
    beta: Maybe<B>,
    epsilon: f64,
    /// Of `x`.
    accumulator: GradientAccumulator,
}

impl<B: SliceBackend<f32>> Backward<B, 3> for Norm {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<State<B>, 3>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents: [x, gamma, beta], state } = ops;
        let gradient = graph.consume::<B>(&node);
        let inputs = Inputs::<B>::new(
            checkpointer.retrieve_node_output(state.x),
            checkpointer.retrieve_node_output(state.gamma),
            state.beta,
        );
        let mut of_row = None;
        let of_x = |sum: Option<FloatTensor<B>>| {
            let sum = sum.map(contiguous::<B, f32>);
            let plus = sum.as_ref().map(slice::<B, f32>);
            modified::<B, f32>(gradient, |gradient| {
                of_row = Some(backward(isa(), inputs.rows(state.epsilon), gradient, plus));
            })
        };
        match x {
            Some(parent) => state.accumulator.register::<B>(graph, parent.id, of_x),
            None => drop(of_x(None)),
        }
        let device = inputs.x.device();
        let [of_gamma, of_beta] = of_row
            .expect("what changes is changed once")
            .map(|data| tensor::<B, f32>(data, inputs.gamma.shape(), &device));
        // In the slot of a shift that is absent stands the input, whose gradient is not asked twice.
        let beta = beta.filter(|_| inputs.beta.is_some());
        for (parent, gradient) in [(gamma, of_gamma), (beta, of_beta)] {
            if let Some(parent) = parent {
                graph.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: SliceBackend<f32> + NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Maybe<Self>,
        epsilon: f64,
        accumulator: GradientAccumulator,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.as_ref().unwrap_or(&x).node()];
        let beta: Maybe<B> = beta.map(|beta| beta.into_primitive());
        let norm = |x: FloatTensor<Self>, gamma: FloatTensor<Self>, beta| {
            forward_rows::<B>(x.into_primitive(), gamma.into_primitive(), beta, epsilon)
        };
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let (x_id, gamma_id) = (prep.checkpoint(&x), prep.checkpoint(&gamma));
                let state =
                    State { x: x_id, gamma: gamma_id, beta: beta.clone(), epsilon, accumulator };
                prep.finish(state, norm(x, gamma, beta))
            }
            OpsKind::UnTracked(prep) => prep.finish(norm(x, gamma, beta)),
        }
    }
}
