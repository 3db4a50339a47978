#![doc = include_str!("../README.md")]

mod cbam;
mod glimpse;
mod squeeze_excite;

pub use cbam::{Cbam, CbamConfig, CbamOutput};
pub use glimpse::{Glimpse, GlimpseConfig, Window};
pub use squeeze_excite::{SqueezeExcite, SqueezeExciteConfig, SqueezeExciteOutput};

use attn_core::mechanism::MechanismError;
use burn::tensor::Tensor;

/// Width of a bottleneck. Where the reduction does not divide the channels there is no telling what
/// the paper's ratio means, so it is refused.
fn check_reduction(
    mechanism: &'static str,
    channels: usize,
    reduction: usize,
) -> Result<(), MechanismError> {
    MechanismError::check_sizes(mechanism, &[("channels", channels), ("reduction", reduction)])?;
    if channels.is_multiple_of(reduction) {
        Ok(())
    } else {
        Err(MechanismError::Uneven {
            mechanism,
            field: "channels",
            size: channels,
            into: reduction,
        })
    }
}

/// The check that each layer makes of an image: of so many channels, and of some pixels.
#[track_caller]
fn assert_image(layer: &str, image: &Tensor<4>, channels: usize) {
    let [_, found, height, width] = image.dims();
    assert_eq!(
        found,
        channels,
        "{layer}: image {:?} has {found} channels, expected {channels}",
        image.dims()
    );
    assert!(height * width > 0, "{layer}: image {:?} has no pixel", image.dims());
}
