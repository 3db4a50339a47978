//! A part of a tensor of burn's ndarray.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchTensorKind, NdArray, backend_extension};
use burn::tensor::{Slice, Tensor};

/// Without autodiff, where the graph wants an operation that it knows.
pub(super) fn is_ndarray<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.clone().into_dispatch().kind, DispatchTensorKind::NdArray(_))
}

pub(super) fn narrow<const D: usize>(
    tensor: Tensor<D>,
    dim: usize,
    start: usize,
    length: usize,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as NarrowOps>::narrow(
        tensor.into_dispatch(),
        dim,
        start,
        length,
    ))
}

/// A part of a tensor.
#[backend_extension(NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait NarrowOps: Backend {
    /// `length` indices of a dimension.
    fn narrow(
        tensor: FloatTensor<Self>,
        dim: usize,
        start: usize,
        length: usize,
    ) -> FloatTensor<Self>;
}

type NdArrayTensor = FloatTensor<NdArray>;

impl NarrowOps for NdArray {
    fn narrow(mut tensor: NdArrayTensor, dim: usize, start: usize, length: usize) -> NdArrayTensor {
        let part = ndarray::Slice::from(start..start + length);
        macro_rules! narrow {
            ($($variant:ident),*) => {
                match &mut tensor {
                    $(NdArrayTensor::$variant(storage) => {
                        storage.ensure_owned().slice_axis_inplace(ndarray::Axis(dim), part);
                    })*
                    _ => unreachable!("floating-point numbers are of these types"),
                }
            };
        }
        narrow!(F32, F64);
        tensor
    }
}

impl<B: NarrowOps, C: CheckpointStrategy> NarrowOps for Autodiff<B, C> {
    fn narrow(
        tensor: FloatTensor<Self>,
        dim: usize,
        start: usize,
        length: usize,
    ) -> FloatTensor<Self> {
        let mut slices = vec![Slice::full(); dim];
        slices.push(Slice::from(start..start + length));
        <Self as burn::backend::ops::FloatTensorOps<Self>>::float_slice(tensor, &slices)
    }
}
