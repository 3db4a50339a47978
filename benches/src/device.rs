//! The devices of this build, by name.

use burn::tensor::Device;
#[cfg(any(feature = "cuda", feature = "rocm"))]
use burn::tensor::DeviceIndex;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "webgpu"))]
use burn::tensor::DeviceKind;

/// A device with the name of its cargo feature.
#[derive(Debug, Clone)]
pub struct NamedDevice {
    /// The feature.
    pub name: &'static str,
    /// Without autodiff.
    pub device: Device,
}

/// A feature, and the device that comes with it.
type Backend = (&'static str, fn() -> Device);

/// The backends of this build but for the remote one, which would measure a network.
#[allow(deprecated)] // ndarray: named while burn has it
#[allow(clippy::vec_init_then_push)] // each entry has its own condition
fn compiled() -> Vec<Backend> {
    let mut devices: Vec<Backend> = Vec::new();
    #[cfg(feature = "ndarray")]
    devices.push(("ndarray", Device::ndarray));
    #[cfg(feature = "flex")]
    devices.push(("flex", Device::flex));
    #[cfg(feature = "wgpu")]
    devices.push(("wgpu", || Device::wgpu(DeviceKind::DefaultDevice)));
    #[cfg(feature = "vulkan")]
    devices.push(("vulkan", || Device::vulkan(DeviceKind::DefaultDevice)));
    #[cfg(feature = "metal")]
    devices.push(("metal", || Device::metal(DeviceKind::DefaultDevice)));
    #[cfg(feature = "webgpu")]
    devices.push(("webgpu", || Device::webgpu(DeviceKind::DefaultDevice)));
    #[cfg(feature = "cuda")]
    devices.push(("cuda", || Device::cuda(DeviceIndex::Default)));
    #[cfg(feature = "rocm")]
    devices.push(("rocm", || Device::rocm(DeviceIndex::Default)));
    #[cfg(feature = "cpu")]
    devices.push(("cpu", Device::cpu));
    devices
}

/// The names of the backends of this build.
pub fn names() -> Vec<&'static str> {
    compiled().into_iter().map(|(name, _)| name).collect()
}

/// The device of that name.
///
/// # Errors
/// If this build has no such backend; the message lists those it has.
pub fn open(name: &str) -> Result<NamedDevice, String> {
    match compiled().into_iter().find(|(compiled, _)| *compiled == name) {
        Some((name, device)) => Ok(NamedDevice { name, device: device() }),
        None => Err(format!(
            "this build has the devices {:?}; others come with `--features NAME`",
            names()
        )),
    }
}

/// The first device of this build.
///
/// # Panics
/// If the build has none.
pub fn default() -> NamedDevice {
    let name = *names().first().expect("a build has a backend, such as `--features flex`");
    open(name).expect("it was listed")
}

/// flex and ndarray, or what the build has instead.
pub fn processors() -> Vec<NamedDevice> {
    let open: Vec<_> = ["flex", "ndarray"].into_iter().filter_map(|name| open(name).ok()).collect();
    if open.is_empty() { vec![default()] } else { open }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_left_out_of_the_build_is_an_error_that_lists_the_others() {
        let message = open("abacus").unwrap_err();
        for name in names() {
            assert!(message.contains(name), "{message}");
        }
    }
}
