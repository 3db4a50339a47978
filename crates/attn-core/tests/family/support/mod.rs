//! What the tests of the family share.

mod gradients;
mod law;
mod masks;
mod sample;
mod steps;
mod weights;

pub use gradients::{check_gradients, check_module_gradients};
pub use law::{check_large_scores, check_law_of_alignment, check_law_of_mechanism};
pub use masks::{PAIRS, lowered, masks};
pub use sample::{Sample, assert_close, values};
pub use steps::check_steps;
pub use weights::{in_f64, weights_of, with_weights};

use burn::tensor::Device;

/// The devices on which forward passes are checked.
#[allow(deprecated)]
pub fn devices() -> Vec<Device> {
    vec![
        Device::ndarray(),
        Device::flex(),
        #[cfg(feature = "wgpu")]
        Device::wgpu(Default::default()),
    ]
}

/// Those that compute in f64, where gradients are checked.
#[allow(deprecated)]
pub fn precise_devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}
