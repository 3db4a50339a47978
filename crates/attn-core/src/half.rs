//! Half precision: what is summed, or has a logarithm, is computed in f32.

use burn::tensor::{DType, FloatDType, Tensor};

/// In f32 what is stored in half precision, which has too few digits for a sum over many keys, and
/// too small a range for a logarithm of a small weight.
pub fn at_least_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { x.cast(FloatDType::F32) } else { x }
}
