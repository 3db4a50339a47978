//! The sum of the squares of a tensor: the length of a gradient.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{FloatDType, Tensor};

/// The sum of the squares of all elements, `[1]`, in f32. Not differentiable.
///
/// # Panics
/// If the tensor has autodiff.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    assert!(!x.device().is_autodiff(), "this sum of squares is not differentiable");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&x) {
        return ops::sum_of_squares(x);
    }
    x.cast(FloatDType::F32).square().sum()
}
