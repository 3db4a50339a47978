//! Attention on burn's ndarray.
#![allow(deprecated)] // burn's ndarray, in favour of flex.

use super::ops::{AttentionOps, Gradients, Inputs, Maybe};
use super::slices::{self, Memory, Slices};
use super::{Options, fallback};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{NdArray, TensorMetadata};
use burn::tensor::TensorData;

/// An enum, whose own name burn keeps to itself.
type NdArrayTensor = FloatTensor<NdArray>;

macro_rules! slices {
    ($($element:ty => $variant:ident),*) => {$(
        impl Slices<$element> for NdArray {
            fn memory(tensor: &FloatTensor<Self>) -> Option<Memory<'_, $element>> {
                let NdArrayTensor::$variant(storage) = tensor else { return None };
                let view = storage.view();
                let strides = view.strides().to_vec();
                let forwards = strides.iter().all(|&stride| stride >= 0);
                let data = view.to_slice_memory_order().filter(|_| forwards)?;
                Some(Memory { data, strides })
            }

            fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                let NdArrayTensor::$variant(storage) = &tensor else { return tensor };
                let elements: Vec<$element> = storage.view().iter().copied().collect();
                let data = TensorData::new(elements, tensor.shape());
                Self::float_from_data(data, &tensor.device())
            }
        }
    )*};
}

slices!(f32 => F32, f64 => F64);

impl AttentionOps for NdArray {
    fn attention(inputs: Inputs<Self>, options: Options) -> (FloatTensor<Self>, FloatTensor<Self>) {
        slices::forward(inputs, &options)
    }

    fn attention_backward(
        inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        grad_context: Maybe<Self>,
        grad_log_sum_exp: Maybe<Self>,
        bias_gradient: bool,
        options: Options,
    ) -> Gradients<Self> {
        let saved = fallback::Saved { context, statistics, grad_context, grad_log_sum_exp };
        slices::backward(inputs, saved, bias_gradient, &options)
    }
}
