//! Operations of the processor backends on tensors of f32, differentiable: one trait to implement for each.
//!
//! An [`Operation`] says what its forward and its backward pass compute on tensors that are slices of memory.
//! Everything else is here, once: the dispatch to a backend, and the node in burn's graph of gradients.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

mod autodiff;
mod inputs;

pub use autodiff::Parents;
pub use inputs::Inputs;

use crate::slices::{SliceBackend, for_slice_backends};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchTensor, backend_extension};
use burn::tensor::Tensor;
use std::fmt::Debug;

/// An operation, differentiable in its first `PARENTS` inputs. Of these the first `KEPT` are kept for the
/// backward pass, or computed again, as the strategy of checkpointing wants it.
///
/// The inputs are those that it requires, and behind them one that may be absent.
pub trait Operation<const PARENTS: usize, const KEPT: usize>:
    Clone + Debug + Send + 'static
{
    /// What else the backward pass needs.
    type Saved<B: SliceBackend<f32>>: Clone + Debug + Send + 'static;

    /// The result; `is_tracked` says which gradients the backward pass is to compute.
    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        is_tracked: [bool; PARENTS],
    ) -> (FloatTensor<B>, Self::Saved<B>);

    /// Registers the gradients of the parents, given that of the result.
    fn backward<B: SliceBackend<f32>>(
        self,
        saved: Self::Saved<B>,
        inputs: [FloatTensor<B>; KEPT],
        gradient: FloatTensor<B>,
        parents: Parents<B, PARENTS>,
    );
}

/// Runs an operation on tensors of a backend that has it.
pub(crate) fn run<const D: usize, const P: usize, const K: usize, const N: usize>(
    operation: impl Operation<P, K>,
    required: [DispatchTensor; N],
    optional: Option<DispatchTensor>,
) -> Tensor<D> {
    let inputs = Inputs::new(required, optional);
    Tensor::from_dispatch(<Dispatch as SliceOperations>::run(inputs, operation))
}

/// The backends that run operations.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait SliceOperations: Backend {
    /// The result of an operation.
    fn run<O: Operation<P, K>, const P: usize, const K: usize>(
        #[extension_type] inputs: Inputs<Self>,
        operation: O,
    ) -> FloatTensor<Self>;
}

for_slice_backends!(SliceOperations {
    fn run<O: Operation<P, K>, const P: usize, const K: usize>(
        inputs: Inputs<Self>,
        operation: O,
    ) -> FloatTensor<Self> {
        operation.forward(inputs, [false; P]).0
    }
});
