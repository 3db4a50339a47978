//! From the tensors of a processor backend to slices, and back.

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;

use crate::layout::{Output, View};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Element, Shape, TensorData};

/// Where the elements of a tensor are.
pub struct Memory<'a, T> {
    /// From the element at index 0 of each dimension on.
    pub(crate) data: &'a [T],
    /// For each dimension; negative after a flip.
    pub(crate) strides: Vec<isize>,
}

/// A backend whose tensors are slices.
pub trait SliceBackend<T>: Backend {
    /// The memory of a tensor of elements `T`, if it is one slice in which they all come after the
    /// first.
    fn memory(tensor: &FloatTensor<Self>) -> Option<Memory<'_, T>>;

    /// The memory of a tensor that is [contiguous] and has no other owner.
    fn memory_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [T]>;

    /// The tensor with its elements in order.
    fn to_contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Implements an operation for each backend whose tensors are slices.
macro_rules! for_slice_backends {
    ($operation:ident { $($item:item)* }) => {
        #[cfg(feature = "flex")]
        impl $operation for burn::backend::Flex { $($item)* }

        #[cfg(feature = "ndarray")]
        impl $operation for burn::backend::NdArray { $($item)* }
    };
}
pub(crate) use for_slice_backends;

/// The tensor, copied if the elements of its rows are not next to each other, or a dimension runs
/// backwards.
pub(crate) fn with_contiguous_rows<B: SliceBackend<T>, T>(
    tensor: FloatTensor<B>,
) -> FloatTensor<B> {
    let shape = tensor.shape();
    let last = shape.num_dims() - 1;
    let readable = B::memory(&tensor).is_some_and(|memory| {
        let strides = || memory.strides.iter().zip(shape.iter()).filter(|(_, size)| **size > 1);
        strides().all(|(&stride, _)| stride >= 0) && (shape[last] == 1 || memory.strides[last] == 1)
    });
    if readable { tensor } else { B::to_contiguous(tensor) }
}

/// The tensor, copied if its elements are not all next to each other.
pub(crate) fn contiguous<B: SliceBackend<T>, T: Element>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let shape = tensor.shape();
    let Some(memory) = B::memory(&tensor) else { return B::to_contiguous(tensor) };
    let mut expected = 1;
    let ordered = shape.iter().zip(&memory.strides).rev().all(|(&size, &stride)| {
        let right = size == 1 || stride == expected;
        expected *= size as isize;
        right
    });
    if ordered {
        return tensor;
    }
    match copied_by_rows(&memory, &shape) {
        Some(elements) => self::tensor::<B, T>(elements, shape, &tensor.device()),
        None => B::to_contiguous(tensor),
    }
}

/// The elements in order, if those of a row are next to each other: the steps of a batch, say, which
/// a backend may copy one by one.
fn copied_by_rows<T: Copy>(memory: &Memory<T>, shape: &Shape) -> Option<Vec<T>> {
    let last = shape.num_dims().checked_sub(1)?;
    let (width, count) = (shape[last], shape.num_elements());
    let forwards = memory.strides.iter().all(|&stride| stride >= 0);
    if !forwards || count == 0 || (width > 1 && memory.strides[last] != 1) {
        return None;
    }
    let mut elements = Vec::with_capacity(count);
    let mut index = vec![0; last];
    for _ in 0..count / width {
        let start: usize =
            index.iter().zip(&memory.strides).map(|(i, stride)| i * stride.unsigned_abs()).sum();
        elements.extend_from_slice(&memory.data[start..start + width]);
        for axis in (0..last).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(elements)
}

/// The tensor with its elements in order, changed: where it is, if it has no other owner.
pub(crate) fn modified<B: SliceBackend<T>, T: Element>(
    tensor: FloatTensor<B>,
    change: impl FnOnce(&mut [T]),
) -> FloatTensor<B> {
    let mut tensor = contiguous::<B, T>(tensor);
    if let Some(elements) = B::memory_mut(&mut tensor) {
        change(elements);
        return tensor;
    }
    let mut elements = slice::<B, T>(&tensor).to_vec();
    change(&mut elements);
    self::tensor::<B, T>(elements, tensor.shape(), &tensor.device())
}

/// [`modified`], of two tensors together.
pub(crate) fn modified_both<B: SliceBackend<T>, T: Element>(
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    change: impl FnOnce(&mut [T], &mut [T]),
) -> (FloatTensor<B>, FloatTensor<B>) {
    let mut modified_second = None;
    let first = modified::<B, T>(first, |first| {
        modified_second = Some(modified::<B, T>(second, |second| change(first, second)));
    });
    (first, modified_second.expect("`modified` calls its function"))
}

/// Of a tensor that is [contiguous].
pub(crate) fn slice<B: SliceBackend<T>, T>(tensor: &FloatTensor<B>) -> &[T] {
    &memory::<B, T>(tensor).data[..tensor.shape().num_elements()]
}

/// Of a tensor that has been made readable.
pub(crate) fn memory<B: SliceBackend<T>, T>(tensor: &FloatTensor<B>) -> Memory<'_, T> {
    B::memory(tensor).expect("a tensor that was made readable is readable")
}

/// A tensor of elements in order.
pub(crate) fn tensor<B: Backend, T: Element>(
    data: Vec<T>,
    shape: impl Into<Shape>,
    device: &B::Device,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(data, shape), device)
}

/// Of a tensor that is [with contiguous rows](with_contiguous_rows).
pub(crate) fn view<B: SliceBackend<T>, T>(tensor: &FloatTensor<B>) -> View<'_, T> {
    let shape = tensor.shape().dims::<4>();
    let Memory { data, strides } = memory::<B, T>(tensor);
    // The stride of a single index means nothing, and backends write there what they like.
    let stride = |dim: usize| if shape[dim] == 1 { 0 } else { strides[dim].unsigned_abs() };
    View { data, shape, strides: std::array::from_fn(stride) }
}

/// What a kernel made.
pub(crate) fn output_tensor<B: Backend, T: Element>(
    output: Output<T>,
    device: &B::Device,
) -> FloatTensor<B> {
    let shape = output.shape_in_memory();
    let tensor = tensor::<B, T>(output.data, shape, device);
    if output.heads_inside { B::float_swap_dims(tensor, 1, 2) } else { tensor }
}
