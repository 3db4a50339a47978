//! Who takes part, and what each side's training step has resident.

use crate::contest::{Side, SideError, Work};
use crate::device::NamedDevice;
use crate::machine::{self, Peak};
use crate::pytorch::Pytorch;
use crate::setting::Setting;
use crate::{burn_layers, ours};
use std::path::PathBuf;

/// A side that is not there yet.
#[derive(Debug, Clone)]
pub enum Contestant {
    /// The model of this workspace.
    Ours(NamedDevice),
    /// The same out of burn's layers.
    Burn(NamedDevice),
    /// PyTorch, of this Python.
    Pytorch(PathBuf),
    /// candle.
    #[cfg(feature = "candle")]
    Candle,
}

impl Contestant {
    /// Makes the model.
    ///
    /// # Errors
    /// If the side refuses the setting or does not start.
    pub fn open(&self, setting: &Setting) -> Result<Box<dyn Side>, SideError> {
        Ok(match self {
            Self::Ours(NamedDevice { name, device }) => ours::side(setting, name, device)?,
            Self::Burn(NamedDevice { name, device }) => burn_layers::side(setting, name, device),
            Self::Pytorch(python) => Box::new(Pytorch::start(python, setting)?),
            #[cfg(feature = "candle")]
            Self::Candle => Box::new(crate::candle::Candle::new(setting)?),
        })
    }

    /// What two training steps have resident: the second also has what the optimizer remembers of
    /// the first. `None` where the system does not say.
    ///
    /// A peak is that of a whole process. PyTorch gets one here; any other side is measured in this
    /// one, which must be a fresh one.
    ///
    /// # Errors
    /// If the side fails.
    pub fn peak(&self, setting: &Setting) -> Result<Option<Peak>, SideError> {
        if let Self::Pytorch(python) = self {
            let mut side = Pytorch::start(python, setting)?;
            twice(&mut side)?;
            return side.peak();
        }
        // The threads belong to the process, not to the model.
        rayon::broadcast(|_| ());
        let baseline = machine::peak_memory();
        twice(&mut *self.open(setting)?)?;
        let peak = machine::peak_memory();
        Ok(baseline.zip(peak).map(|(baseline, peak)| Peak { baseline, peak }))
    }

    /// Whether [`peak`](Self::peak) is to be called in a process of its own.
    pub fn is_in_this_process(&self) -> bool {
        !matches!(self, Self::Pytorch(_))
    }
}

fn twice(side: &mut dyn Side) -> Result<(), SideError> {
    for _ in 0..2 {
        side.run(Work::Train)?;
    }
    Ok(())
}
