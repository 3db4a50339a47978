//! The devices on which tests run.

use burn::tensor::Device;

/// The devices on which forward passes are checked, without gradients: ndarray, flex and, with the
/// feature `wgpu`, the GPU that wgpu finds.
pub fn devices() -> Vec<Device> {
    let devices = precise_devices().into_iter();
    #[cfg(feature = "wgpu")]
    let devices = devices.chain([Device::wgpu(Default::default())]);
    devices.collect()
}

/// The devices that compute in f64, in which gradients are checked, without gradients themselves.
#[allow(deprecated)]
pub fn precise_devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}
