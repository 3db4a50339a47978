//! Operations in burn's graph of gradients.

use super::{Inputs, Operation, SliceOperations};
use crate::slices::SliceBackend;
use burn::backend::Backend;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use std::marker::PhantomData;

/// The differentiable inputs of a node, which wait for their gradients.
#[allow(missing_debug_implementations)] // burn's graph has none.
pub struct Parents<'a, B: Backend, const N: usize> {
    graph: &'a mut Gradients,
    nodes: [Option<NodeId>; N],
    backend: PhantomData<B>,
}

impl<B: Backend, const N: usize> Parents<'_, B, N> {
    /// Whether an input is there and tracked.
    pub(crate) fn wants(&self, slot: usize) -> bool {
        self.nodes[slot].is_some()
    }

    /// Gives an input its gradient, if it wants one.
    pub(crate) fn register(&mut self, slot: usize, gradient: FloatTensor<B>) {
        if let Some(node) = self.nodes[slot] {
            self.graph.register::<B>(node, gradient);
        }
    }

    /// Gives each input its gradient, if it wants one.
    pub(crate) fn register_all(&mut self, gradients: [FloatTensor<B>; N]) {
        for (slot, gradient) in gradients.into_iter().enumerate() {
            self.register(slot, gradient);
        }
    }
}

/// The node of a result.
#[derive(Debug)]
struct Node<O, const K: usize>(PhantomData<O>);

#[derive(Clone, Debug)]
struct State<O, S, const P: usize, const K: usize> {
    operation: O,
    inputs: [NodeId; K],
    is_present: [bool; P],
    saved: S,
}

impl<B: SliceBackend<f32>, O: Operation<P, K>, const P: usize, const K: usize> Backward<B, P>
    for Node<O, K>
{
    type State = State<O, O::Saved<B>, P, K>;

    fn backward(
        self,
        ops: Ops<Self::State, P>,
        graph: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Ops { node, parents, state: State { operation, inputs, is_present, saved } } = ops;
        let gradient = graph.consume::<B>(&node);
        let inputs = inputs.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        // In the slot of an input that is absent stands the first one, which is not to get its gradient twice.
        let mut nodes = parents.map(|parent| parent.map(|parent| parent.id));
        for (node, is_present) in nodes.iter_mut().zip(is_present) {
            *node = node.filter(|_| is_present);
        }
        operation.backward(saved, inputs, gradient, Parents { graph, nodes, backend: PhantomData });
    }
}

impl<B: SliceBackend<f32>, C: CheckpointStrategy> SliceOperations for Autodiff<B, C> {
    fn run<O: Operation<P, K>, const P: usize, const K: usize>(
        inputs: Inputs<Self>,
        operation: O,
    ) -> FloatTensor<Self> {
        let slots = inputs.slots();
        let parents: [_; P] = std::array::from_fn(|slot| slots[slot]);
        let nodes = parents.map(|parent| parent.or(slots[0]).expect("the first is there").node());
        let is_present = parents.map(|parent| parent.is_some());
        let is_tracked = parents.map(|parent| parent.is_some_and(|parent| parent.is_tracked()));
        let inner = |inputs: Inputs<Self>| inputs.map::<B>(|tensor| tensor.into_primitive());
        match Node::<O, K>(PhantomData).prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let kept = std::array::from_fn(|slot| {
                    prep.checkpoint(parents[slot].expect("an input that is kept is required"))
                });
                let (output, saved) = operation.forward(inner(inputs), is_tracked);
                prep.finish(State { operation, inputs: kept, is_present, saved }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(operation.forward(inner(inputs), [false; P]).0),
        }
    }
}
