//! Dropout whose mask is a function of position (rule 6 of the law), as a layer.

use crate::random;
use attn_kernels::DropoutMask;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Dropout`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutConfig {
    /// The probability of an element to be dropped, in `[0, 1)`.
    pub prob: f64,
}

impl DropoutConfig {
    /// Dropout with probability `prob`.
    pub fn new(prob: f64) -> Self {
        Self { prob }
    }

    /// The layer.
    ///
    /// # Panics
    /// If the probability is not in `[0, 1)`.
    pub fn init(&self) -> Dropout {
        let prob = DropoutMask::new(self.prob, 0).prob();
        Dropout { prob, training: Param::from_bool(true) }
    }
}

/// Dropout (Srivastava et al. 2014) with a counter-based mask.
///
/// Active on tensors that autodiff follows, the identity on all others; so the same model trains
/// and predicts, and `model.valid()` is all that evaluation needs. Freezing the module turns it off
/// too. Each active call draws one seed from this thread's [`random`] stream.
#[derive(Module, Debug)]
pub struct Dropout {
    prob: f64,
    training: Param<Flag>,
}

impl Dropout {
    /// The mask of the next call, drawing a seed, or `None` where nothing is dropped: `device` has
    /// no autodiff, the probability is 0, or the layer is frozen.
    ///
    /// For attention, whose dropout acts inside [`attend`](crate::attend).
    pub fn draw(&self, device: &Device) -> Option<DropoutMask> {
        let active = self.prob > 0.0 && device.is_autodiff() && self.training.is_enabled();
        active.then(|| DropoutMask::new(self.prob, random::next_seed()))
    }

    /// Drops elements of `input`, any shape, in training.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        match self.draw(&input.device()) {
            None => input,
            Some(mask) => mask.apply(input),
        }
    }

    /// [`forward`](Self::forward), plus another tensor: the residual connection around it.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward_and_add<const D: usize>(
        &self,
        input: Tensor<D>,
        residual: Tensor<D>,
    ) -> Tensor<D> {
        match self.draw(&input.device()) {
            None => residual + input,
            Some(mask) => mask.apply_and_add(input, residual),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "dropout probability must be in [0, 1), got 1")]
    fn a_probability_of_one_is_refused() {
        DropoutConfig::new(1.0).init();
    }

    #[test]
    fn only_what_autodiff_follows_is_dropped() {
        let layer = DropoutConfig::new(0.5).init();
        let device = Device::flex();
        let input = Tensor::<3>::ones([3, 5, 7], &device);
        assert_eq!(layer.forward(input.clone()).into_data(), input.into_data());

        random::seed(3);
        let training = Tensor::<3>::ones([3, 5, 7], &device.clone().autodiff()).require_grad();
        let output = layer.forward(training.clone());
        let gradient = training.grad(&output.clone().sum().backward()).unwrap();
        // The input is one, so output and gradient are both the factors.
        assert_eq!(gradient.into_data(), output.clone().inner().into_data());
        random::seed(3);
        let expected = DropoutMask::new(0.5, random::next_seed()).factors(15, 7);
        assert_eq!(output.into_data().try_into_vec::<f32>().unwrap(), expected);

        let frozen = layer.freeze();
        assert!(frozen.draw(&device.autodiff()).is_none());
    }
}
