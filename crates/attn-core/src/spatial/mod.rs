//! Attention in images: where to look, and which channels count.
//!
//! | type | equation | time | paper |
//! |---|---|---|---|
//! | [`Glimpse`] | `γ F_Y x F_Xᵀ`, and back `F_Yᵀ w F_X / γ` | `N · pixels` | Gregor et al. 2015, equations 19–29 |
//! | [`SqueezeExcite`] | `σ(W₂ ReLU(W₁ mean(x))) · x` | pixels · channels | Hu et al. 2018, equations 2–4 |
//! | [`Cbam`] | `M_s(x') · x'`, `x' = M_c(x) · x` | pixels · (channels + kernel²) | Woo et al. 2018, equations 1–3 |
//!
//! Images are `[batch, channels, height, width]`. Nothing here is a distribution over keys: a glimpse
//! is a window of a place and a size, the others are gates, each in `(0, 1)`.

mod cbam;
mod glimpse;
mod squeeze_excite;

pub use cbam::{Cbam, CbamConfig, Refined};
pub use glimpse::{Glimpse, GlimpseConfig, Window};
pub use squeeze_excite::{Excited, SqueezeExcite, SqueezeExciteConfig};

use crate::mechanism::MechanismError;
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
