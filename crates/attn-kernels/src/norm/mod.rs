//! Layer and root-mean-square normalisation, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// Layer normalisation of the last dimension, `(x - mean(x)) / sqrt(var(x) + ε) · γ + β`, with the
/// biased variance (Ba, Kiros & Hinton 2016, equations 3–4).
///
/// Statistics are taken again in the backward pass; nothing but the input is kept.
/// [`twin::layer_norm`] says what is computed, and runs where there is no kernel.
///
/// # Shapes
/// - `x` and result: `[.., width]`
/// - `gamma` and `beta`: `[width]`
///
/// # Panics
/// If the widths do not fit.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let [width] = gamma.dims();
    assert_shape!(x, [.., width]);
    assert_shape!(beta, [width]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&x) && has_kernels(&gamma) && has_kernels(&beta) && !is_empty(&x) {
        return ops::norm(x, gamma, Some(beta), epsilon);
    }
    twin::layer_norm(x, gamma, beta, epsilon)
}

/// Root-mean-square normalisation of the last dimension, `x / sqrt(mean(x²) + ε) · γ` (Zhang &
/// Sennrich 2019, equation 4).
///
/// As [`layer_norm`]; the twin is [`twin::rms_norm`].
///
/// # Shapes
/// - `x` and result: `[.., width]`
/// - `gamma`: `[width]`
///
/// # Panics
/// If the widths do not fit.
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let [width] = gamma.dims();
    assert_shape!(x, [.., width]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&x) && has_kernels(&gamma) && !is_empty(&x) {
        return ops::norm(x, gamma, None, epsilon);
    }
    twin::rms_norm(x, gamma, epsilon)
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn is_empty<const D: usize>(x: &Tensor<D>) -> bool {
    x.shape().num_elements() == 0
}
