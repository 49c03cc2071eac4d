//! Where the towers run.

use candle_core::Device;

use super::ClipError;

/// The device that somebody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The fastest that is there.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The Apple GPU.
    Metal,
}

impl DeviceChoice {
    const ALL: [Self; 4] = [Self::Auto, Self::Cpu, Self::Cuda, Self::Metal];

    /// As on the command line: `auto`, `cpu`, `cuda` or `metal`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }

    /// The device, and a description of it for people; with [`DeviceChoice::Auto`] it says why no GPU is used.
    pub(super) fn open(self) -> Result<(Device, String), ClipError> {
        match self {
            Self::Cpu => Ok((Device::Cpu, "CPU".to_owned())),
            Self::Cuda => cuda().map_err(|reason| ClipError::Device {
                device: "CUDA",
                reason,
            }),
            Self::Metal => metal().map_err(|reason| ClipError::Device {
                device: "Metal",
                reason,
            }),
            Self::Auto => Ok(cuda()
                .or_else(|no_cuda| {
                    metal().or_else(|no_metal| {
                        let reason = if cfg!(target_os = "macos") {
                            no_metal
                        } else {
                            no_cuda
                        };
                        Ok::<_, std::convert::Infallible>((Device::Cpu, format!("CPU ({reason})")))
                    })
                })
                .unwrap_or_else(|never| match never {})),
        }
    }
}

fn cuda() -> Result<(Device, String), String> {
    if !cfg!(feature = "cuda") {
        return Err("this build has no CUDA".to_owned());
    }
    // A stream of its own and not the thread's: tensors are made on one thread and read on another.
    match Device::new_cuda_with_stream(0) {
        Ok(device) => {
            let name = name_of(&device).map_or_else(String::new, |name| format!(" ({name})"));
            Ok((device, format!("CUDA 0{name}")))
        }
        Err(error) => Err(format!("no CUDA device: {error}")),
    }
}

#[cfg(feature = "cuda")]
fn name_of(device: &Device) -> Option<String> {
    match device {
        Device::Cuda(card) => super::cuda::name(card).ok(),
        Device::Cpu | Device::Metal(_) => None,
    }
}

#[cfg(not(feature = "cuda"))]
fn name_of(_: &Device) -> Option<String> {
    None
}

fn metal() -> Result<(Device, String), String> {
    if !cfg!(feature = "metal") {
        return Err("this build has no Metal".to_owned());
    }
    match Device::new_metal(0) {
        Ok(device) => Ok((device, "Metal 0".to_owned())),
        Err(error) => Err(format!("no Metal device: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_built_in_is_refused_and_auto_says_why_it_is_the_cpu() {
        if cfg!(any(feature = "cuda", feature = "metal")) {
            return;
        }
        let error = DeviceChoice::Cuda.open().unwrap_err();
        assert_eq!(
            error.to_string(),
            "CUDA cannot be used: this build has no CUDA"
        );
        assert!(DeviceChoice::Metal.open().is_err());
        let (device, description) = DeviceChoice::Auto.open().unwrap();
        assert!(device.is_cpu());
        assert!(description.starts_with("CPU (this build has no "));
    }
}
