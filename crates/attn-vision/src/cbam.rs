//! Gates of channels, then of places.

use super::squeeze_excite::{PAPER_REDUCTION, paper_reduction};
use super::{assert_image, check_reduction};
use attn_core::logistic::sigmoid;
use attn_core::mechanism::MechanismError;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The kernel of Woo et al. (2018), equation 3.
const PAPER_KERNEL: usize = 7;

fn paper_kernel() -> usize {
    PAPER_KERNEL
}

/// Configuration of a [`Cbam`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CbamConfig {
    /// Number of channels, `C`.
    pub channels: usize,
    /// `r`: the hidden layer is `C / r` wide. It must divide the channels.
    #[serde(default = "paper_reduction")]
    pub reduction: usize,
    /// Height and width of the convolution over places; odd, so that it has a middle.
    #[serde(default = "paper_kernel")]
    pub kernel: usize,
}

impl CbamConfig {
    /// A block for so many channels, with a reduction of 16 and a kernel of 7.
    pub fn new(channels: usize) -> Self {
        Self { channels, reduction: PAPER_REDUCTION, kernel: PAPER_KERNEL }
    }

    /// Another reduction.
    pub fn with_reduction(self, reduction: usize) -> Self {
        Self { reduction, ..self }
    }

    /// Another kernel.
    pub fn with_kernel(self, kernel: usize) -> Self {
        Self { kernel, ..self }
    }

    /// # Errors
    /// If a size is zero, the reduction does not divide the channels, or the kernel is even.
    pub fn validate(&self) -> Result<(), MechanismError> {
        check_reduction("cbam", self.channels, self.reduction)?;
        if self.kernel % 2 == 1 {
            Ok(())
        } else {
            let value = self.kernel as f64;
            Err(MechanismError::Range { mechanism: "cbam", field: "kernel", range: "odd", value })
        }
    }

    /// The block, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Cbam {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let narrow = self.channels / self.reduction;
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        let border = self.kernel / 2;
        Cbam {
            reduce: linear(self.channels, narrow),
            restore: linear(narrow, self.channels),
            places: Conv2dConfig::new([2, 1], [self.kernel, self.kernel])
                .with_padding(PaddingConfig2d::Explicit(border, border, border, border))
                .with_bias(false)
                .init(device),
        }
    }
}

/// Convolutional block attention, Woo et al. (2018), equations 1–3: first the channels are gated,
/// then the places.
///
/// ```text
/// M_c(x) = σ(MLP(mean over places) + MLP(max over places))      MLP(z) = W₁ ReLU(W₀ z)
/// x' = M_c(x) · x
/// M_s(x') = σ(conv([mean over channels; max over channels]))
/// x'' = M_s(x') · x'
/// ```
///
/// Neither map has a bias, nor is the convolution's output normalized, as in the equations; beyond
/// the border there are zeros. Where several elements are the largest, one of them gets the
/// gradient. Time is that of reading the image a few times, and kernel² · pixels.
///
/// ```
/// use attn_vision::CbamConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let block = CbamConfig::new(32).init(&device);
/// let refined = block.forward_with_maps(Tensor::ones([2, 32, 5, 9], &device));
/// assert_eq!(refined.features.dims(), [2, 32, 5, 9]);
/// assert_eq!(refined.channels.dims(), [2, 32]);
/// assert_eq!(refined.places.dims(), [2, 5, 9]);
/// ```
#[derive(Module, Debug)]
pub struct Cbam {
    /// `W₀`, without bias.
    pub reduce: Linear,
    /// `W₁`, without bias.
    pub restore: Linear,
    /// The convolution over the mean and the largest channel, without bias.
    pub places: Conv2d,
}

/// A gated image, and its gates.
#[derive(Clone, Debug)]
pub struct CbamOutput {
    /// `[batch, channels, height, width]`
    pub features: Tensor<4>,
    /// `M_c`, `[batch, channels]`, in `(0, 1)`.
    pub channels: Tensor<2>,
    /// `M_s`, `[batch, height, width]`, in `(0, 1)`.
    pub places: Tensor<3>,
}

impl Cbam {
    /// The image with its channels and places gated.
    ///
    /// # Shapes
    /// - `image` and result: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If the image has another number of channels, or no pixel.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        self.forward_with_maps(image).features
    }

    /// [`forward`](Self::forward), and both maps of gates.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_maps(&self, image: Tensor<4>) -> CbamOutput {
        let [channels, _] = self.reduce.weight.dims();
        assert_image("cbam", &image, channels);
        let [batch, _, height, width] = image.dims();

        let pixels = image.clone().reshape([batch, channels, height * width]);
        let [mean, max] = [pixels.clone().mean_dim(2), pixels.max_dim(2)]
            .map(|pooled| self.mlp(pooled.squeeze_dim(2))); // [batch, channels]
        let by_channel = sigmoid(mean + max);
        let image = image * by_channel.clone().reshape([batch, channels, 1, 1]);

        let pooled = vec![image.clone().mean_dim(1), image.clone().max_dim(1)];
        let by_place = sigmoid(self.places.forward(Tensor::cat(pooled, 1))); // [batch, 1, h, w]
        let features = image * by_place.clone();
        CbamOutput { features, channels: by_channel, places: by_place.squeeze_dim(1) }
    }

    fn mlp(&self, channels: Tensor<2>) -> Tensor<2> {
        self.restore.forward(relu(self.reduce.forward(channels)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "cbam: channels = 20 does not split evenly into 16")]
    fn a_reduction_divides_the_channels() {
        CbamConfig::new(20).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "cbam: kernel must be odd, got 4")]
    fn an_even_kernel_is_refused() {
        CbamConfig::new(16).with_kernel(4).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "cbam: kernel must be odd, got 0")]
    fn no_kernel_is_refused() {
        CbamConfig::new(16).with_kernel(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "cbam: image [2, 8, 5, 7] has 8 channels, expected 6")]
    fn images_have_the_configured_channels() {
        let device = Device::flex();
        let block = CbamConfig::new(6).with_reduction(2).init(&device);
        block.forward(Tensor::ones([2, 8, 5, 7], &device));
    }

    #[test]
    #[should_panic(expected = "cbam: image [2, 6, 5, 0] has no pixel")]
    fn images_have_pixels() {
        let device = Device::flex();
        let block = CbamConfig::new(6).with_reduction(2).init(&device);
        block.forward(Tensor::ones([2, 6, 5, 0], &device));
    }
}
