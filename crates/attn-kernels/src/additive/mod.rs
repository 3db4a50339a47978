//! Scores of additive attention, differentiable: Bahdanau et al. 2015, appendix A.1.2.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

/// `v · tanh(q + k)` of every query and key, both projected.
///
/// The hidden layer of all pairs, `[batch, heads, queries, keys, d]`, is in no memory: the backward
/// pass computes it again. A pair that gets a gradient of 0, as one that a mask hides, adds nothing
/// to any gradient there, not even where it is not a number. [`twin::scores`] says what is computed,
/// and runs where there is no kernel, with the hidden layer in memory.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, heads, keys, d]`
/// - `energy`: `v`, `[d]`
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
/// let energy = Tensor::<1>::from_floats([1.0, 2.0], &device);
/// let scores = scores(query, key, energy).into_data();
/// let expected = [0.0, 1_f32.tanh() + 2.0];
/// assert!(scores.iter::<f32>().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-6));
/// ```
pub fn scores(query: Tensor<4>, key: Tensor<4>, energy: Tensor<1>) -> Tensor<4> {
    let [batch, heads, _, d] = query.dims();
    assert_shape!(key, [batch, heads, _, d]);
    assert_shape!(energy, [d]);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&query)
        && has_kernels(&key)
        && has_kernels(&energy)
        && query.shape().num_elements() > 0
        && key.shape().num_elements() > 0
    {
        return ops::scores(query, key, energy);
    }
    twin::scores(query, key, energy)
}
