//! Structured self-attentive pooling: several vectors of one sequence.

use super::{PoolingError, assert_width, pool};
use crate::Mask;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`SelfAttentive`] pooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfAttentiveConfig {
    /// Width of a step, `2u` in the paper.
    pub d_input: usize,
    /// Width of the hidden layer, `d_a`.
    pub d_hidden: usize,
    /// Number of vectors, `r`.
    pub hops: usize,
}

impl SelfAttentiveConfig {
    /// A pooling of steps of this width, by a hidden layer of that, to so many vectors.
    pub fn new(d_input: usize, d_hidden: usize, hops: usize) -> Self {
        Self { d_input, d_hidden, hops }
    }

    /// # Errors
    /// If a size is zero.
    pub fn validate(&self) -> Result<(), PoolingError> {
        let Self { d_input, d_hidden, hops } = *self;
        let sizes = [("d_input", d_input), ("d_hidden", d_hidden), ("hops", hops)];
        PoolingError::check_sizes("self-attentive", &sizes)
    }

    /// The pooling, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> SelfAttentive {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        SelfAttentive {
            hidden: linear(self.d_input, self.d_hidden),
            hops: linear(self.d_hidden, self.hops),
        }
    }
}

/// Structured self-attentive pooling, Lin et al. (2017), equations 6–7:
/// `A = softmax(W_s2 tanh(W_s1 Hᵀ))` over the steps, `M = A H`.
///
/// Each of the `r` rows of `A`, a hop, may look at another aspect of the sequence; the
/// [penalty](PooledHops::penalty) keeps them from all looking at the same.
#[derive(Module, Debug)]
pub struct SelfAttentive {
    /// `W_s1`, `[d_input, d_hidden]`, without bias.
    pub hidden: Linear,
    /// `W_s2`, `[d_hidden, hops]`, without bias.
    pub hops: Linear,
}

/// Several vectors for each row of a batch.
#[derive(Clone, Debug)]
pub struct PooledHops {
    /// `M`, `[batch, hops, d]`
    pub vectors: Tensor<3>,
    /// `A`, `[batch, hops, steps]`: each row sums to 1, or to 0 if it is all padding.
    pub weights: Tensor<3>,
}

impl PooledHops {
    /// `|A Aᵀ - I|²_F` of each row of the batch, Lin et al. (2017), equation 8: 0 if each hop looks
    /// at one step, and each at another.
    ///
    /// Of a row that is all padding, the constant `hops`.
    ///
    /// # Shapes
    /// - result: `[batch]`
    pub fn penalty(&self) -> Tensor<1> {
        let [_, hops, _] = self.weights.dims();
        let (device, dtype) = (self.weights.device(), self.weights.dtype());
        let overlap = self.weights.clone().matmul(self.weights.clone().swap_dims(1, 2)); // [b, r, r]
        let identity = Tensor::<2>::eye(hops, &device).cast(FloatDType::from(dtype));
        let excess = overlap - identity.unsqueeze::<3>();
        excess.square().sum_dims(&[1, 2]).squeeze_dims(&[1, 2])
    }
}

impl SelfAttentive {
    /// The vectors and the weights of each row.
    ///
    /// # Shapes
    /// - `x`: `[batch, steps, d_input]`
    /// - `mask`: which steps there are, for one query: [`Mask::padding`]; a mask by heads is one by
    ///   hops
    ///
    /// # Panics
    /// If the steps are not `d_input` wide, or the mask does not fit.
    pub fn forward(&self, x: Tensor<3>, mask: &Mask) -> PooledHops {
        assert_width("self-attentive", &x, self.hidden.weight.dims()[0]);
        let [_, hops] = self.hops.weight.dims();
        let (vectors, weights) =
            pool(x, hops, mask, |x| self.hops.forward(self.hidden.forward(x).tanh()));
        PooledHops { vectors, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "self-attentive pooling: hops must be at least 1, got 0")]
    fn no_hop_is_refused() {
        SelfAttentiveConfig::new(3, 7, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "self-attentive pooling: steps [2, 5, 4] have width 4, expected 3")]
    fn steps_have_the_configured_width() {
        let device = Device::flex();
        let pooling = SelfAttentiveConfig::new(3, 7, 2).init(&device);
        pooling.forward(Tensor::ones([2, 5, 4], &device), &Mask::open());
    }
}
