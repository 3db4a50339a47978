//! Cross-entropy of logits that are never held whole.

#[cfg(any(feature = "ndarray", feature = "flex"))]
use super::linear_ops;
use super::{check, twin};
#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// [`cross_entropy`](super::cross_entropy) of the logits `x W + b`, which are never held whole.
///
/// Rows without a label are left out before anything is computed of them: they cost no time, and
/// their gradient is exactly 0, whatever `x` is there, NaN included.
///
/// The kernel has a chunk of some hundred rows of logits at a time. The loss is a sum, and what
/// reaches it in the backward pass is one number; so where inputs are tracked, their gradients are
/// taken while a chunk is there, in the forward pass, and the backward pass multiplies them by that
/// number. A loss that is tracked and never differentiated therefore costs what a whole pass does.
/// [`twin::linear_cross_entropy`] says what is computed, and runs where there is no kernel.
///
/// # Shapes
/// - `x`: `[n, d]`
/// - `weight`: `[d, v]`; a transposed table of embeddings is read as it lies, and its gradient lies
///   likewise
/// - `bias`: `[v]`
/// - `labels`: `n`
/// - result: `[1]`
///
/// # Panics
/// If the widths do not fit, there are not `n` labels, one of them is not below `v`, or smoothing is
/// not in `0.0..=1.0`.
///
/// ```
/// use attn_kernels::cross_entropy::linear_cross_entropy;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::ones([3, 5], &device);
/// let weight = Tensor::<2>::ones([5, 7], &device);
/// let labels = [Some(2), None, Some(6)];
/// let loss = linear_cross_entropy(x, weight, None, &labels, 0.0).into_scalar::<f32>();
/// assert!((loss - 2.0 * 7.0_f32.ln()).abs() < 1e-6);
/// ```
pub fn linear_cross_entropy(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    let [d, v] = weight.dims();
    let [n, _] = x.dims();
    assert_shape!(x, [_, d]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [v]);
    }
    check([n, v], labels, smoothing);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if n * d * v > 0
        && has_kernels(&x)
        && has_kernels(&weight)
        && bias.as_ref().is_none_or(has_kernels)
    {
        return linear_ops::linear_cross_entropy(x, weight, bias, labels, smoothing);
    }
    twin::linear_cross_entropy(x, weight, bias, labels, smoothing)
}
