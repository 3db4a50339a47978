//! A step of AdamW (Loshchilov & Hutter 2019, algorithm 2).

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::Tensor;

pub use crate::parameters::Step;

impl Step {
    /// Parameter and moments after a step along a gradient:
    ///
    /// ```text
    /// g = scale · gradient     m ← β₁ m + (1 - β₁) g     v ← β₂ v + (1 - β₂) g²
    /// w ← w (1 - rate · decay) - rate · (m / (1 - β₁^t)) / (√(v / (1 - β₂^t)) + ε)
    /// ```
    ///
    /// In one pass over memory where there is a kernel; not differentiable.
    ///
    /// # Shapes
    /// - all: the same, any
    ///
    /// # Panics
    /// If shapes differ, or a tensor has autodiff.
    pub fn take<const D: usize>(
        &self,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        moments: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        for other in [&gradient, &moments[0], &moments[1]] {
            assert_eq!(
                parameter.dims(),
                other.dims(),
                "a parameter, its gradient and its moments must have one shape"
            );
            assert!(!other.device().is_autodiff(), "a step of AdamW is not differentiable");
        }
        #[cfg(any(feature = "ndarray", feature = "flex"))]
        if [&parameter, &gradient, &moments[0], &moments[1]].into_iter().all(has_kernels) {
            return ops::take(self, parameter, gradient, moments);
        }
        self.twin(parameter, gradient, moments)
    }

    /// [`take`](Self::take) in plain tensor operations.
    fn twin<const D: usize>(
        &self,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        [first, second]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let gradient = gradient * self.scale;
        let first = first * self.beta_1 + gradient.clone() * (1.0 - self.beta_1);
        let second = second * self.beta_2 + gradient.square() * (1.0 - self.beta_2);
        let [of_first, of_second] = self.corrections();
        let root = (second.clone() * of_second).sqrt() + self.epsilon;
        let direction = first.clone() * of_first / root;
        let kept = parameter * (1.0 - self.rate * self.weight_decay);
        (kept - direction * self.rate, [first, second])
    }
}
