//! The sum of squares as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::{isa, sum_of_squares as kernel};
use crate::slices::{contiguous, for_slice_backends, slice, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as SquaresOps>::sum_of_squares(x.into_dispatch()))
}

/// Sums of squares.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex")
)]
pub trait SquaresOps: Backend {
    /// Of all elements, `[1]`.
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

for_slice_backends!(SquaresOps {
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = contiguous::<Self, f32>(x);
        let sum = kernel::sum_of_squares(isa(), slice::<Self, f32>(&x));
        tensor::<Self, f32>(vec![sum], [1], &x.device())
    }
});
