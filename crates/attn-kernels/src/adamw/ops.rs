//! A step of AdamW as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favour of flex.

use super::Step;
use crate::cpu::{adamw, isa};
use crate::slices::{in_order, on_slices, slice, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn take<const D: usize>(
    step: &Step,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let (parameter, first, second) = <Dispatch as AdamWOps>::adamw(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        *step,
    );
    (Tensor::from_dispatch(parameter), [first, second].map(Tensor::from_dispatch))
}

/// A step of AdamW.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex")
)]
pub trait AdamWOps: Backend {
    /// Parameter, first and second moment after it.
    fn adamw(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

on_slices!(AdamWOps {
    fn adamw(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let device = parameter.device();
        let [w, g, m, v] = [parameter, gradient, first, second].map(in_order::<Self, f32>);
        let shape = w.shape();
        let [w, g, m, v] = [&w, &g, &m, &v].map(slice::<Self, f32>);
        let [w, m, v] = adamw::step(isa(), w, g, [m, v], &step)
            .map(|data| tensor::<Self, f32>(data, shape.clone(), &device));
        (w, m, v)
    }
});
