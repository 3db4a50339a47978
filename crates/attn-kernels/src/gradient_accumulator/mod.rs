//! One tensor that several operations read, whose gradients are added up in place.
//!
//! In burn's graph each operation that reads a tensor makes a gradient of its own, and the graph adds them: a
//! pass over memory for each, on one thread. An accumulator is a place where the operations that know it add
//! theirs while they compute them. All that they register in the graph is a token, so that the accumulator's
//! own backward pass comes after theirs.
//!
//! An operation whose result no loss depends on has no backward pass, and adds nothing.

mod ops;

use crate::operation::{Parents, run};
use crate::slices::{SliceBackend, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use ops::{Accumulated, OrdinaryReader};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the gradients of a tensor are added up; nowhere, if it has no accumulator.
#[derive(Clone, Debug, Default)]
pub(crate) struct GradientAccumulator(Option<Arc<Mutex<Option<Sum>>>>);

/// A tensor of a backend that only the nodes know.
type Sum = Box<dyn Any + Send>;

impl GradientAccumulator {
    /// The tensor, for operations that know the accumulator.
    pub(crate) fn new<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Self) {
        let accumulator = Self(Some(Arc::default()));
        let x = run(Accumulated(accumulator.clone()), [x.into_dispatch()], None);
        (x, accumulator)
    }

    /// The tensor whose gradients are accumulated, for an operation that does not know the accumulator.
    pub(crate) fn for_ordinary_reader<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        run(OrdinaryReader(self.clone()), [x.into_dispatch()], None)
    }

    /// Gives a parent its gradient from one operation, which adds it to the sum of the others, if there is one.
    pub(crate) fn register<B: SliceBackend<f32>, const N: usize>(
        &self,
        parents: &mut Parents<B, N>,
        slot: usize,
        add_to: impl FnOnce(Option<FloatTensor<B>>) -> FloatTensor<B>,
    ) {
        if !parents.wants(slot) {
            return;
        }
        let Self(Some(place)) = self else {
            parents.register(slot, add_to(None));
            return;
        };
        // Taken out, not held: adding waits for other threads.
        let sum = add_to(self.take::<B>());
        let token = tensor::<B, f32>(vec![0.0], [1], &sum.device());
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sum));
        parents.register(slot, token);
    }

    /// What the operations have added up.
    fn take<B: SliceBackend<f32>>(&self) -> Option<FloatTensor<B>> {
        let place = self.0.as_ref()?;
        let sum = place.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(*sum.downcast().expect("all operations that read a tensor are of its backend"))
    }
}
