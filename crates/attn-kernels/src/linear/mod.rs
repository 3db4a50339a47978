//! The linear map `x W + b`, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape, module};

/// `x W + b` of the last dimension.
///
/// As burn's own [`linear`](module::linear), the meaning of "correct" and what runs on every device
/// without a kernel. The kernel treats all leading dimensions as rows of one matrix, forwards and
/// backwards, and reads `W` in whichever direction it lies in memory, so that a transposed table of
/// embeddings is not copied.
///
/// # Shapes
/// - `x`: `[.., d_input]`
/// - `weight`: `[d_input, d_output]`
/// - `bias`: `[d_output]`
/// - result: `[.., d_output]`
///
/// # Panics
/// If the widths do not fit.
///
/// ```
/// use attn_kernels::linear::linear;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let weight = Tensor::<2>::ones([5, 7], &device);
/// let y = linear(Tensor::<3>::ones([2, 3, 5], &device), weight, None);
/// assert_eq!(y.dims(), [2, 3, 7]);
/// ```
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let [d_input, d_output] = weight.dims();
    assert_shape!(x, [.., d_input]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_output]);
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if d_output > 0
        && has_kernels(&x)
        && has_kernels(&weight)
        && bias.as_ref().is_none_or(has_kernels)
    {
        return ops::linear(x, weight, bias);
    }
    module::linear(x, weight, bias)
}
