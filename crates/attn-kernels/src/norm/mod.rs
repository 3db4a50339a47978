//! Layer and root-mean-square normalization, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::{gradient_accumulator::GradientAccumulator, kernels::has_kernels};
use burn::tensor::{Tensor, assert_shape};

/// Layer normalization of the last dimension, `(x - mean(x)) / sqrt(var(x) + ε) · γ + β`, with the
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
    if has_kernel(&x, &gamma, Some(&beta)) {
        return ops::norm(x, gamma, Some(beta), epsilon, GradientAccumulator::default());
    }
    twin::layer_norm(x, gamma, beta, epsilon)
}

/// Root-mean-square normalization of the last dimension, `x / sqrt(mean(x²) + ε) · γ` (Zhang &
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
    if has_kernel(&x, &gamma, None) {
        return ops::norm(x, gamma, None, epsilon, GradientAccumulator::default());
    }
    twin::rms_norm(x, gamma, epsilon)
}

/// [`layer_norm`], or without a shift [`rms_norm`], and `x` itself for the residual connection around
/// what reads the norm.
///
/// Results and gradients are those of the norm and of `x`. What is different is the gradient of `x`:
/// the norm adds its own to that of the residual connection as it computes it.
///
/// # Shapes
/// - `x` and both results: `[.., width]`
/// - `gamma` and `beta`: `[width]`
///
/// # Panics
/// If the widths do not fit.
pub fn norm_with_residual<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> [Tensor<D>; 2] {
    let [width] = gamma.dims();
    assert_shape!(x, [.., width]);
    if let Some(beta) = &beta {
        assert_shape!(beta, [width]);
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&x, &gamma, beta.as_ref()) {
        let (x, accumulator) = GradientAccumulator::new(x);
        let residual = accumulator.for_ordinary_reader(x.clone());
        return [ops::norm(x, gamma, beta, epsilon, accumulator), residual];
    }
    let normed = match beta {
        Some(beta) => twin::layer_norm(x.clone(), gamma, beta, epsilon),
        None => twin::rms_norm(x.clone(), gamma, epsilon),
    };
    [normed, x]
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn has_kernel<const D: usize>(x: &Tensor<D>, gamma: &Tensor<1>, beta: Option<&Tensor<1>>) -> bool {
    has_kernels(x)
        && has_kernels(gamma)
        && beta.is_none_or(has_kernels)
        && x.shape().num_elements() > 0
}
