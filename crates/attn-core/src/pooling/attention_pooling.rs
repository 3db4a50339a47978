//! Attention pooling with one vector of parameters.

use super::{Pooled, PoolingError, assert_width, pool_once};
use crate::Mask;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`AttentionPooling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionPoolingConfig {
    /// Width of a step.
    pub d_input: usize,
}

impl AttentionPoolingConfig {
    /// A pooling of steps of this width.
    pub fn new(d_input: usize) -> Self {
        Self { d_input }
    }

    /// # Errors
    /// If the width is zero.
    pub fn validate(&self) -> Result<(), PoolingError> {
        PoolingError::check_sizes("attention", &[("d_input", self.d_input)])
    }

    /// The pooling, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AttentionPooling {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        AttentionPooling { energy: LinearConfig::new(self.d_input, 1).init(device) }
    }
}

/// Attention pooling, Raffel & Ellis (2016), "Feed-forward networks with attention can solve some
/// long-term memory problems": `e_t = tanh(w · x_t + b)`, `α = softmax(e)`, `c = Σ_t α_t x_t`.
///
/// The layer of the Keras tutorials is this one with a bias for each step, which ties it to sequences
/// of one length. Here `b` is one number, as in the paper, and sequences have any length.
///
/// An energy is between -1 and 1, so no step weighs more than `e²` times another: of a long sequence
/// it makes little more than the mean. [`ContextPooling`](super::ContextPooling) has no such bound.
///
/// ```
/// use attn_core::Mask;
/// use attn_core::pooling::AttentionPoolingConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let pooling = AttentionPoolingConfig::new(8).init(&device);
/// // Two sequences, of five steps and of three.
/// let pooled = pooling.forward(Tensor::ones([2, 5, 8], &device), &Mask::padding([5, 3]));
/// assert_eq!(pooled.vector.dims(), [2, 8]);
/// assert_eq!(pooled.weights.dims(), [2, 5]);
/// ```
#[derive(Module, Debug)]
pub struct AttentionPooling {
    /// `w`, `[d_input, 1]`, and `b`.
    pub energy: Linear,
}

impl AttentionPooling {
    /// The vector and the weights of each row.
    ///
    /// # Shapes
    /// - `x`: `[batch, steps, d_input]`
    /// - `mask`: which steps there are, for one query: [`Mask::padding`]
    ///
    /// # Panics
    /// If the steps are not `d_input` wide, or the mask does not fit.
    pub fn forward(&self, x: Tensor<3>, mask: &Mask) -> Pooled {
        assert_width("attention", &x, self.energy.weight.dims()[0]);
        pool_once(x, mask, |x| self.energy.forward(x).tanh())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "attention pooling: d_input must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        AttentionPoolingConfig::new(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "attention pooling: steps [2, 5, 4] have width 4, expected 3")]
    fn steps_have_the_configured_width() {
        let device = Device::flex();
        let pooling = AttentionPoolingConfig::new(3).init(&device);
        pooling.forward(Tensor::ones([2, 5, 4], &device), &Mask::open());
    }
}
