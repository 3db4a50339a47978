//! Dropout whose mask is a function of position, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use crate::parameters::DropoutMask;
use burn::tensor::{FloatDType, Tensor};

impl DropoutMask {
    /// Drops elements of a tensor, and scales those that are kept.
    ///
    /// All leading dimensions together are the rows. Nothing is kept for the backward pass but the
    /// seed. Where there is no kernel, this is a product with the [factors](Self::tensor).
    ///
    /// # Shapes
    /// - `x` and result: the same, any
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        if has_kernels(&x) {
            return ops::dropout(self, x, None);
        }
        let factors = self.factors_like(&x);
        x * factors
    }

    /// [`apply`](Self::apply), plus another tensor: a residual connection around what is dropped.
    ///
    /// # Shapes
    /// - `x`, `residual` and result: the same, any
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn apply_and_add<const D: usize>(self, x: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        assert_eq!(
            x.dims(),
            residual.dims(),
            "the input of dropout and its residual must have one shape"
        );
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        if has_kernels(&x) && has_kernels(&residual) {
            return ops::dropout(self, x, Some(residual));
        }
        self.apply(x) + residual
    }

    /// The factors of a tensor's elements, a constant in its graph.
    fn factors_like<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        let device = x.device();
        let of = |device| self.tensor(x.dims(), device).cast(FloatDType::from(x.dtype()));
        if device.is_autodiff() {
            Tensor::from_inner(of(&device.without_autodiff()))
        } else {
            of(&device)
        }
    }
}
