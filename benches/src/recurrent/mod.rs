//! A training step of recurrent layers: who takes part in it.

mod burn_layers;
mod ours;
mod pytorch;
mod setting;

pub use setting::{Cell, Setting};

use crate::contest::{Side, SideError};
use crate::device::NamedDevice;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::path::PathBuf;

/// A side that is not there yet.
#[derive(Debug, Clone)]
pub enum Contestant {
    /// attn-rnn.
    Ours(NamedDevice),
    /// `burn::nn`.
    Burn(NamedDevice),
    /// PyTorch, of this Python.
    Pytorch(PathBuf),
}

impl Contestant {
    /// Makes the layers; `None` where a side has none such.
    ///
    /// # Errors
    /// If the side does not start.
    pub fn open(&self, setting: &Setting) -> Result<Option<Box<dyn Side>>, SideError> {
        Ok(match self {
            Self::Ours(device) => Some(Box::new(ours::Ours::new(setting, device))),
            Self::Burn(device) => burn_layers::side(setting, device),
            Self::Pytorch(python) => Some(Box::new(pytorch::Pytorch::start(python, setting)?)),
        })
    }
}

/// Numbers of a module's matrices. Biases are not counted: the two that burn and PyTorch have for a
/// gate of an LSTM act as one.
fn matrices(module: &impl Module) -> usize {
    #[derive(Default)]
    struct Count(usize);

    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 2 {
                self.0 += param.val().shape().num_elements();
            }
        }
    }

    let mut count = Count::default();
    module.visit(&mut count);
    count.0
}
