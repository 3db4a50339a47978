//! One tensor for several readers, whose gradients are added up in place.
//!
//! In burn's graph each reader of a tensor makes a gradient of its own, and the graph adds them: a
//! pass over memory for each, on one thread. A forked tensor has a place where its readers add theirs
//! while they compute them. All that they leave in the graph is a token, by which the turn of the
//! accumulator comes after theirs.
//!
//! A reader whose result no loss depends on is never asked, and adds nothing.

mod ops;

use crate::slices::{SliceBackend, tensor};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, TensorMetadata};
use burn::tensor::Tensor;
use ops::AccumulatorOps;
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the gradients of a forked tensor are added up; nowhere, if it is none.
#[derive(Clone, Debug, Default)]
pub struct GradientAccumulator(Option<Arc<Mutex<Option<Sum>>>>);

/// A tensor of a backend that only the nodes know.
type Sum = Box<dyn Any + Send>;

impl GradientAccumulator {
    /// The tensor, for readers that know the accumulator.
    pub(crate) fn new<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Self) {
        let accumulator = Self(Some(Arc::default()));
        let x = <Dispatch as AccumulatorOps>::accumulator(x.into_dispatch(), accumulator.clone());
        (Tensor::from_dispatch(x), accumulator)
    }

    /// The forked tensor, for a reader that knows nothing of the accumulator.
    pub(crate) fn pass<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as AccumulatorOps>::pass(x.into_dispatch(), self.clone()))
    }

    /// Gives a tensor its gradient from one reader, who adds it to that of others, if it is handed
    /// one. The tensor is the node's.
    pub(crate) fn register<B: SliceBackend<f32>>(
        &self,
        graph: &mut Gradients,
        node: NodeId,
        add_to: impl FnOnce(Option<FloatTensor<B>>) -> FloatTensor<B>,
    ) {
        let Self(Some(place)) = self else {
            graph.register::<B>(node, add_to(None));
            return;
        };
        // Taken out, not held: adding waits for other threads.
        let sum = add_to(self.take::<B>());
        let token = tensor::<B, f32>(vec![0.0], [1], &sum.device());
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sum));
        graph.register::<B>(node, token);
    }

    /// What the readers have added up.
    fn take<B: SliceBackend<f32>>(&self) -> Option<FloatTensor<B>> {
        let place = self.0.as_ref()?;
        let sum = place.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(*sum.downcast().expect("the readers of a tensor are of its backend"))
    }
}
