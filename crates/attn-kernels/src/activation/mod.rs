//! Activations of feed-forward layers, plain and as gates, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::Tensor;

pub use crate::parameters::Activation;

impl Activation {
    /// `f(x)`, element by element.
    ///
    /// Of the input alone is kept what the backward pass needs. [`twin::activation`] says what is
    /// computed, and runs where there is no kernel.
    ///
    /// ```
    /// use attn_kernels::activation::Activation;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let x = Tensor::<1>::from_floats([-2.0, 3.0], &Device::default());
    /// let y = Activation::Relu.forward(x);
    /// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 3.0]);
    /// ```
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        if has_kernels(&x) {
            return ops::activation(self, x);
        }
        twin::activation(self, x)
    }

    /// `f(x) ⊗ y`: a gate and what it multiplies (Dauphin et al. 2017; Shazeer 2020).
    ///
    /// # Shapes
    /// - `x`, `y` and result: the same, any
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn gate<const D: usize>(self, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
        assert_eq!(x.dims(), y.dims(), "a gate and what it multiplies must have one shape");
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        if has_kernels(&x) && has_kernels(&y) {
            return ops::gate(self, x, y);
        }
        twin::gate(self, x, y)
    }
}
