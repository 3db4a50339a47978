//! Scores of additive attention, differentiable: Bahdanau et al. 2015, appendix A.1.2.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// `v · tanh(q + k)` of every query and key, both projected.
///
/// In the kernel the hidden layer of all pairs, `[batch, heads, queries, keys, d]`, is in no memory:
/// the backward pass computes it again. A pair that gets a gradient of 0, as one that a mask hides,
/// adds nothing to the kernel's gradients, not even where it is not a number. [`twin::scores`] says
/// what is computed otherwise, and runs where there is no kernel: with the hidden layer in memory, and
/// with gradients that are not numbers where a hidden pair is not.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, heads, keys, d]`
/// - `v`: `[d]`
/// - result: `[batch, heads, queries, keys]`
///
/// # Panics
/// If the shapes do not fit.
///
/// ```
/// use attn_kernels::additive::scores;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let query = Tensor::<4>::from_floats([[[[1.0, 0.0]]]], &device);
/// let key = Tensor::<4>::from_floats([[[[-1.0, 0.0], [0.0, 50.0]]]], &device);
/// let v = Tensor::<1>::from_floats([1.0, 2.0], &device);
/// let scores = scores(query, key, v).into_data();
/// let expected = [0.0, 1_f32.tanh() + 2.0];
/// assert!(scores.iter::<f32>().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-6));
/// ```
pub fn scores(query: Tensor<4>, key: Tensor<4>, v: Tensor<1>) -> Tensor<4> {
    let ([batch, heads, queries, d], keys) = (query.dims(), key.dims()[2]);
    assert_shape!(key, [batch, heads, _, d]);
    assert_shape!(v, [d]);
    if [batch, heads, queries, keys, d].contains(&0) {
        return Tensor::zeros([batch, heads, queries, keys], (&query.device(), query.dtype()));
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&query) && has_kernels(&key) && has_kernels(&v) {
        return ops::scores(query, key, v);
    }
    twin::scores(query, key, v)
}
