//! Attention in ordinary operations of a backend, a chunk of queries at a time.
//!
//! What every backend without a kernel runs, on the device and without reading anything back.

mod backward;
mod chunk;
mod forward;
#[cfg(test)]
mod tests;

pub(super) use backward::{Saved, backward};
pub(super) use forward::forward;

use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata, get_or_init_device_settings};
use burn::tensor::{BoolDType, Shape, Slice};
use std::ops::Range;

/// The elements `range` of dimension `dim`; the tensor itself if these are all.
fn narrow<B: Backend>(tensor: FloatTensor<B>, dim: usize, range: Range<usize>) -> FloatTensor<B> {
    let shape = tensor.shape();
    if range == (0..shape[dim]) {
        return tensor;
    }
    let mut slices = vec![Slice::from(..); shape.num_dims()];
    slices[dim] = Slice::from(range);
    B::float_slice(tensor, &slices)
}

fn expand<B: Backend>(tensor: FloatTensor<B>, dims: [usize; 4]) -> FloatTensor<B> {
    if tensor.shape().dims::<4>() == dims { tensor } else { B::float_expand(tensor, dims.into()) }
}

fn reshape<B: Backend, const D: usize>(tensor: FloatTensor<B>, dims: [usize; D]) -> FloatTensor<B> {
    let shape = Shape::from(dims);
    if tensor.shape() == shape { tensor } else { B::float_reshape(tensor, shape) }
}

/// Replaces the elements where `mask`, of the same or a broadcast shape, is true.
fn fill<B: Backend>(tensor: FloatTensor<B>, mask: BoolTensor<B>, value: f64) -> FloatTensor<B> {
    let mask = B::bool_expand(mask, tensor.shape());
    B::float_mask_fill(tensor, mask, value.into())
}

/// Where the tensor is NaN or infinite.
fn not_finite<B: Backend>(tensor: FloatTensor<B>) -> BoolTensor<B> {
    let dtype = bool_dtype::<B>(&tensor.device());
    B::bool_or(B::float_is_nan(tensor.clone(), dtype), B::float_is_inf(tensor, dtype))
}

/// The tensor with 0 for what is NaN or infinite.
fn finite_part<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let bad = not_finite::<B>(tensor.clone());
    B::float_mask_fill(tensor, bad, 0.0.into())
}

fn bool_dtype<B: Backend>(device: &B::Device) -> BoolDType {
    get_or_init_device_settings::<B>(device).bool_dtype
}
