//! Cross-entropy of logits against smoothed labels, differentiable.

mod linear;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod linear_ops;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::Tensor;

pub use linear::linear_cross_entropy;

/// Cross-entropy against smoothed labels (Szegedy et al. 2016, section 7), summed over the rows that
/// have a label.
///
/// For logits `z`, `log p = log_softmax(z)`, a label `y` and smoothing `e`, a row costs
/// `-(1 - e) log p[y] - (e / v) Σ_k log p[k]`. A row without a label costs nothing and its gradient is
/// exactly 0, whatever its logits are, NaN included.
///
/// Of the logits two numbers a row are kept; probabilities are never stored. [`twin::cross_entropy`]
/// says what is computed, and runs where there is no kernel.
///
/// # Shapes
/// - `logits`: `[n, v]`
/// - `labels`: `n`
/// - result: `[1]`
///
/// # Panics
/// If there are not `n` labels, one of them is not below `v`, or smoothing is not in `0.0..=1.0`.
pub fn cross_entropy(logits: Tensor<2>, labels: &[Option<u32>], smoothing: f64) -> Tensor<1> {
    let [n, v] = logits.dims();
    check([n, v], labels, smoothing);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&logits) && n * v > 0 {
        return ops::cross_entropy(logits, labels, smoothing);
    }
    twin::cross_entropy(logits, labels, smoothing)
}

/// # Panics
/// If the labels are not those of so many rows of logits, or smoothing is not in `0.0..=1.0`.
fn check([n, v]: [usize; 2], labels: &[Option<u32>], smoothing: f64) {
    assert!(labels.len() == n, "{n} rows of logits but {} labels", labels.len());
    assert!((0.0..=1.0).contains(&smoothing), "label smoothing {smoothing} is not in 0.0..=1.0");
    if let Some(label) = labels.iter().flatten().find(|&&label| label as usize >= v) {
        panic!("label {label} is out of range for {v} classes");
    }
}
