//! Attention pooling with a context vector.

use super::{Pooled, PoolingError, assert_width, pool_once};
use crate::Mask;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`ContextPooling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextPoolingConfig {
    /// Width of a step.
    pub d_input: usize,
    /// Width of the hidden layer, and of the context vector.
    pub d_hidden: usize,
}

impl ContextPoolingConfig {
    /// A pooling of steps of this width, by a hidden layer of that.
    pub fn new(d_input: usize, d_hidden: usize) -> Self {
        Self { d_input, d_hidden }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), PoolingError> {
        let sizes = [("d_input", self.d_input), ("d_hidden", self.d_hidden)];
        PoolingError::check_sizes("context", &sizes)
    }

    /// The pooling, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> ContextPooling {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        ContextPooling {
            hidden: LinearConfig::new(self.d_input, self.d_hidden).init(device),
            context: LinearConfig::new(self.d_hidden, 1).with_bias(false).init(device),
        }
    }
}

/// Attention pooling with a context vector, hierarchical attention networks, Yang et al. (2016),
/// equations 5–7: `u_t = tanh(W x_t + b)`, `α = softmax(u_t · u)`, `s = Σ_t α_t x_t`.
///
/// `u` is what every step is compared with, "a high level representation of a fixed query". A
/// document is the pooling of its sentences, which are poolings of their words.
#[derive(Module, Debug)]
pub struct ContextPooling {
    /// `W`, `[d_input, d_hidden]`, and `b`.
    pub hidden: Linear,
    /// `u`, `[d_hidden, 1]`, without bias.
    pub context: Linear,
}

impl ContextPooling {
    /// The vector and the weights of each row.
    ///
    /// # Shapes
    /// - `x`: `[batch, steps, d_input]`
    /// - `mask`: which steps there are, for one query: [`Mask::padding`]
    ///
    /// # Panics
    /// If the steps are not `d_input` wide, or the mask does not fit.
    pub fn forward(&self, x: Tensor<3>, mask: &Mask) -> Pooled {
        assert_width("context", &x, self.hidden.weight.dims()[0]);
        pool_once(x, mask, |x| self.context.forward(self.hidden.forward(x).tanh()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "context pooling: d_hidden must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        ContextPoolingConfig::new(3, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "context pooling: steps [2, 5, 4] have width 4, expected 3")]
    fn steps_have_the_configured_width() {
        let device = Device::flex();
        let pooling = ContextPoolingConfig::new(3, 7).init(&device);
        pooling.forward(Tensor::ones([2, 5, 4], &device), &Mask::open());
    }
}
