//! Slices of burn's flex.

use super::{Memory, SliceBackend};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

macro_rules! slices {
    ($($element:ty),*) => {$(
        impl SliceBackend<$element> for Flex {
            fn memory(tensor: &FloatTensor<Self>) -> Option<Memory<'_, $element>> {
                let layout = tensor.layout();
                let data = tensor.storage::<$element>().get(layout.start_offset()..)?;
                Some(Memory { data, strides: layout.strides().to_vec() })
            }

            fn memory_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [$element]> {
                let (start, count) = (tensor.layout().start_offset(), tensor.layout().num_elements());
                tensor.try_storage_mut::<$element>()?.get_mut(start..start + count)
            }

            fn to_contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                tensor.to_contiguous()
            }
        }
    )*};
}

slices!(f32, f64);
