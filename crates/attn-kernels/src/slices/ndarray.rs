//! Slices of burn's ndarray.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use super::{Memory, SliceBackend};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{NdArray, TensorMetadata};
use burn::tensor::TensorData;

/// An enum, whose own name burn keeps to itself.
type NdArrayTensor = FloatTensor<NdArray>;

macro_rules! slices {
    ($($element:ty => $variant:ident),*) => {$(
        impl SliceBackend<$element> for NdArray {
            fn memory(tensor: &FloatTensor<Self>) -> Option<Memory<'_, $element>> {
                let NdArrayTensor::$variant(storage) = tensor else { return None };
                let view = storage.view();
                let strides = view.strides().to_vec();
                if strides.iter().any(|&stride| stride < 0) {
                    return None;
                }
                if view.is_empty() {
                    return Some(Memory { data: &[], strides });
                }
                let steps = view.shape().iter().zip(&strides);
                let last = steps.map(|(&size, &step)| (size - 1) * step.unsigned_abs()).sum::<usize>();
                // SAFETY: the first element is at the pointer, as no dimension runs backwards, and the
                // last one `last` behind it. Both are of one vector of numbers, and so is what lies
                // between, also where that belongs to another view. The tensor is borrowed, and who
                // shares its vector copies it before writing.
                let data = unsafe { std::slice::from_raw_parts(view.as_ptr(), last + 1) };
                Some(Memory { data, strides })
            }

            fn memory_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [$element]> {
                let NdArrayTensor::$variant(storage) = tensor else { return None };
                if !storage.is_owned() || !storage.is_unique() {
                    return None;
                }
                storage.ensure_owned().as_slice_mut()
            }

            fn to_contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                let NdArrayTensor::$variant(storage) = &tensor else { return tensor };
                let elements: Vec<$element> = storage.view().iter().copied().collect();
                let data = TensorData::new(elements, tensor.shape());
                Self::float_from_data(data, &tensor.device())
            }
        }
    )*};
}

slices!(f32 => F32, f64 => F64);
