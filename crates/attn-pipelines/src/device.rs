//! Devices by name: the backends are compiled in by cargo features, the user picks one at run time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Tensor};
use clap::ValueEnum;

/// The environment variable that names the server of [`DeviceName::Remote`].
pub const REMOTE_SERVER: &str = "BURN_REMOTE_SERVER";

/// A device as the user names it on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum DeviceName {
    /// The best one compiled in.
    #[default]
    Auto,
    /// CPU, crate `ndarray`.
    Ndarray,
    /// CPU, burn's own kernels.
    Flex,
    /// GPU over the graphics interface that `wgpu` finds best.
    Wgpu,
    /// GPU over Vulkan.
    Vulkan,
    /// GPU over Metal.
    Metal,
    /// GPU over WebGPU.
    Webgpu,
    /// NVIDIA GPU.
    Cuda,
    /// AMD GPU.
    Rocm,
    /// CPU, kernels compiled at run time.
    Cpu,
    /// A device of another machine; its server's id is in `BURN_REMOTE_SERVER`.
    Remote,
}

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The backend of that name was left out of this build.
    #[error(
        "this build has no {name} backend, only {}; build with `--features {feature}` to have it",
        list(.compiled)
    )]
    NotCompiled {
        /// What was asked for.
        name: DeviceName,
        /// The cargo feature that compiles it in.
        feature: &'static str,
        /// What the build has instead, best first.
        compiled: Vec<DeviceName>,
    },
    /// The backend is there, and the machine has no device for it.
    #[error("the {name} device does not start: {reason}")]
    Unavailable {
        /// What was asked for.
        name: DeviceName,
        /// What the backend said.
        reason: String,
    },
}

fn list(names: &[DeviceName]) -> String {
    match names {
        [] => "none at all".into(),
        names => names.iter().map(DeviceName::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl DeviceName {
    /// Best first, as `Device::default()` orders them; a remote device must be asked for.
    const PREFERENCE: [Self; 10] = [
        Self::Cuda,
        Self::Metal,
        Self::Rocm,
        Self::Vulkan,
        Self::Webgpu,
        Self::Wgpu,
        Self::Cpu,
        Self::Flex,
        Self::Ndarray,
        Self::Remote,
    ];

    /// The backends of this build, best first.
    pub fn compiled() -> Vec<Self> {
        Self::PREFERENCE.into_iter().filter(|name| name.is_compiled()).collect()
    }

    /// The name itself, or the best one compiled in for [`DeviceName::Auto`].
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotCompiled`] when the build has no such backend.
    pub fn resolve(self) -> Result<Self, DeviceError> {
        let best = Self::PREFERENCE.into_iter().find(|name| name.is_compiled());
        let found = match self {
            Self::Auto => best,
            named => Some(named).filter(|name| name.is_compiled()),
        };
        found.ok_or_else(|| DeviceError::NotCompiled {
            name: self,
            feature: self.feature(),
            compiled: Self::compiled(),
        })
    }

    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotCompiled`] when the build has no such backend, and
    /// [`DeviceError::Unavailable`] when this machine has no such device.
    pub fn open(self) -> Result<Device, DeviceError> {
        let name = self.resolve()?;
        let unavailable = |reason| DeviceError::Unavailable { name, reason };
        match name {
            // Nothing to start: these are the processor that runs this line.
            Self::Ndarray | Self::Flex => name.create().map_err(unavailable),
            // burn starts a device at its first operation and reports a missing one by a panic,
            // on this thread; the panic hook still prints it before it becomes an error here.
            _ => catch_unwind(AssertUnwindSafe(|| {
                let device = name.create()?;
                let sum = Tensor::<1>::from_floats([1.0, 2.0], &device).sum().into_scalar::<f32>();
                if sum == 3.0 { Ok(device) } else { Err(format!("it computes 1 + 2 = {sum}")) }
            }))
            .unwrap_or_else(|panic| Err(panic_message(&*panic)))
            .map_err(unavailable),
        }
    }

    fn is_compiled(self) -> bool {
        match self {
            Self::Auto => true,
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Flex => cfg!(feature = "flex"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Webgpu => cfg!(feature = "webgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
            Self::Cpu => cfg!(feature = "cpu"),
            Self::Remote => cfg!(feature = "remote"),
        }
    }

    /// The cargo feature that compiles the backend in.
    fn feature(self) -> &'static str {
        match self {
            Self::Auto | Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Webgpu => "webgpu",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Cpu => "cpu",
            Self::Remote => "remote",
        }
    }

    fn create(self) -> Result<Device, String> {
        #[cfg(any(feature = "cuda", feature = "rocm"))]
        use burn::tensor::DeviceIndex;
        #[cfg(any(
            feature = "wgpu",
            feature = "vulkan",
            feature = "metal",
            feature = "webgpu"
        ))]
        use burn::tensor::DeviceKind;

        match self {
            // Deprecated upstream in favor of flex.
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)]
            Self::Ndarray => Ok(Device::ndarray()),
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(DeviceKind::DefaultDevice)),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(DeviceKind::DefaultDevice)),
            #[cfg(feature = "metal")]
            Self::Metal => Ok(Device::metal(DeviceKind::DefaultDevice)),
            #[cfg(feature = "webgpu")]
            Self::Webgpu => Ok(Device::webgpu(DeviceKind::DefaultDevice)),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(DeviceIndex::Default)),
            #[cfg(feature = "rocm")]
            Self::Rocm => Ok(Device::rocm(DeviceIndex::Default)),
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(Device::cpu()),
            #[cfg(feature = "remote")]
            Self::Remote => remote(),
            #[allow(unreachable_patterns)]
            other => Err(format!("{other} names no device")),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            named => f.write_str(named.feature()),
        }
    }
}

#[cfg(feature = "remote")]
fn remote() -> Result<Device, String> {
    use burn::remote::{EndpointId, RemoteHost};

    let id = std::env::var(REMOTE_SERVER)
        .map_err(|error| format!("the server's id in {REMOTE_SERVER}: {error}"))?;
    let id = id.parse::<EndpointId>().map_err(|error| format!("{REMOTE_SERVER}={id}: {error}"))?;
    Device::remote_options(&RemoteHost::iroh(id)).init().map_err(|error| error.to_string())
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The backends that are compiled into a test build and need no hardware beside a processor.
    #[test]
    fn every_processor_backend_of_the_build_opens() {
        for name in [DeviceName::Ndarray, DeviceName::Flex] {
            match name.open() {
                Ok(_) => assert!(DeviceName::compiled().contains(&name)),
                Err(DeviceError::NotCompiled { .. }) => assert!(!name.is_compiled()),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn auto_is_the_first_of_the_compiled_backends() {
        let compiled = DeviceName::compiled();
        assert_eq!(DeviceName::Auto.resolve().unwrap(), compiled[0]);
    }

    #[test]
    fn a_backend_left_out_of_the_build_is_an_error_that_names_the_feature() {
        for name in DeviceName::PREFERENCE.into_iter().filter(|name| !name.is_compiled()) {
            let error = name.open().unwrap_err();
            assert!(matches!(error, DeviceError::NotCompiled { .. }));
            let text = error.to_string();
            assert!(text.contains(&format!("--features {name}")), "{text}");
            assert!(text.contains(&DeviceName::compiled()[0].to_string()), "{text}");
        }
    }

    #[test]
    fn names_on_the_command_line_are_the_displayed_names() {
        for name in DeviceName::value_variants() {
            assert_eq!(DeviceName::from_str(&name.to_string(), false).as_ref(), Ok(name));
        }
    }
}
