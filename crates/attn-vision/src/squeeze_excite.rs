//! Gates of channels.

use super::{assert_image, check_reduction};
use attn_core::logistic::sigmoid;
use attn_core::mechanism::MechanismError;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The ratio that Hu et al. (2018) settle on.
pub(super) const PAPER_REDUCTION: usize = 16;

pub(super) fn paper_reduction() -> usize {
    PAPER_REDUCTION
}

/// Configuration of a [`SqueezeExcite`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqueezeExciteConfig {
    /// Number of channels, `C`.
    pub channels: usize,
    /// `r`: the bottleneck is `C / r` wide. It must divide the channels.
    #[serde(default = "paper_reduction")]
    pub reduction: usize,
}

impl SqueezeExciteConfig {
    /// A block for so many channels, with a reduction of 16.
    pub fn new(channels: usize) -> Self {
        Self { channels, reduction: PAPER_REDUCTION }
    }

    /// Another reduction.
    pub fn with_reduction(self, reduction: usize) -> Self {
        Self { reduction, ..self }
    }

    /// # Errors
    /// If a size is zero, or the reduction does not divide the channels.
    pub fn validate(&self) -> Result<(), MechanismError> {
        check_reduction("squeeze-excite", self.channels, self.reduction)
    }

    /// The block, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> SqueezeExcite {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let narrow = self.channels / self.reduction;
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        SqueezeExcite {
            reduce: linear(self.channels, narrow),
            restore: linear(narrow, self.channels),
        }
    }
}

/// Squeeze and excitation, Hu et al. (2018), equations 2–4: each channel is multiplied with a gate
/// that the means of all channels decide.
///
/// ```text
/// z_c = mean of x_c over all pixels
/// s = σ(W₂ ReLU(W₁ z))
/// x̃_c = s_c x_c
/// ```
///
/// Time is that of reading the image twice, and `2 C² / r`. It gives up places: a channel is gated
/// as a whole.
///
/// ```
/// use attn_vision::SqueezeExciteConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let block = SqueezeExciteConfig::new(32).init(&device);
/// let excited = block.forward_with_gates(Tensor::ones([2, 32, 5, 7], &device));
/// assert_eq!(excited.features.dims(), [2, 32, 5, 7]);
/// assert_eq!(excited.gates.dims(), [2, 32]);
/// ```
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    /// `W₁`, without bias.
    pub reduce: Linear,
    /// `W₂`, without bias.
    pub restore: Linear,
}

/// An image whose channels were gated, and the gates.
#[derive(Clone, Debug)]
pub struct SqueezeExciteOutput {
    /// `[batch, channels, height, width]`
    pub features: Tensor<4>,
    /// `[batch, channels]`, in `(0, 1)`.
    pub gates: Tensor<2>,
}

impl SqueezeExcite {
    /// The image with its channels gated.
    ///
    /// # Shapes
    /// - `image` and result: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If the image has another number of channels, or no pixel.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        self.forward_with_gates(image).features
    }

    /// [`forward`](Self::forward), and the gates.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_gates(&self, image: Tensor<4>) -> SqueezeExciteOutput {
        let [channels, _] = self.reduce.weight.dims();
        assert_image("squeeze-excite", &image, channels);
        let [batch, _, height, width] = image.dims();
        let means = image.clone().reshape([batch, channels, height * width]).mean_dim(2);
        let hidden = relu(self.reduce.forward(means.squeeze_dim::<2>(2))); // [batch, narrow]
        let gates = sigmoid(self.restore.forward(hidden)); // [batch, channels]
        let features = image * gates.clone().reshape([batch, channels, 1, 1]);
        SqueezeExciteOutput { features, gates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "squeeze-excite: reduction must be at least 1, got 0")]
    fn a_reduction_of_zero_is_refused() {
        SqueezeExciteConfig::new(8).with_reduction(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "squeeze-excite: channels = 24 does not split evenly into 16")]
    fn a_reduction_divides_the_channels() {
        SqueezeExciteConfig::new(24).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "squeeze-excite: image [2, 8, 5, 7] has 8 channels, expected 6")]
    fn images_have_the_configured_channels() {
        let device = Device::flex();
        let block = SqueezeExciteConfig::new(6).with_reduction(3).init(&device);
        block.forward(Tensor::ones([2, 8, 5, 7], &device));
    }

    #[test]
    #[should_panic(expected = "squeeze-excite: image [2, 6, 0, 7] has no pixel")]
    fn images_have_pixels() {
        let device = Device::flex();
        let block = SqueezeExciteConfig::new(6).with_reduction(3).init(&device);
        block.forward(Tensor::ones([2, 6, 0, 7], &device));
    }
}
