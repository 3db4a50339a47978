//! A step of AdamW as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::{adamw, isa};
use crate::parameters::Step;
use crate::slices::{contiguous, for_slice_backends, modified, slice};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
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

for_slice_backends!(AdamWOps {
    fn adamw(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let gradient = contiguous::<Self, f32>(gradient);
        let gradient = slice::<Self, f32>(&gradient);
        let mut moments = None;
        let parameter = modified::<Self, f32>(parameter, |w| {
            let mut of_second = None;
            let of_first = modified::<Self, f32>(first, |m| {
                of_second = Some(modified::<Self, f32>(second, |v| {
                    adamw::step(isa(), w, gradient, [m, v], &step);
                }));
            });
            moments = of_second.map(|of_second| (of_first, of_second));
        });
        let (first, second) = moments.expect("`modified` calls its function");
        (parameter, first, second)
    }
});
