//! burn's own layers: one, in one direction, without lengths.

use super::{Cell, Setting, matrices};
use crate::contest::{Side, SideError, Work};
use crate::device::NamedDevice;
use crate::machine;
use burn::module::Module;
use burn::nn::{Gru, GruConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::tensor::{Device, Tensor};
use std::time::{Duration, Instant};

/// `None` if burn has no such layers.
pub(super) fn side(setting: &Setting, device: &NamedDevice) -> Option<Box<dyn Side>> {
    if setting.layers > 1 || setting.bidirectional || !setting.is_equal() {
        return None;
    }
    let name = format!("burn {}, burn::nn, {}", machine::burn_version(), device.name);
    let device = device.device.clone().autodiff();
    let setting = setting.clone();
    let width = setting.width;
    let head = LinearConfig::new(width, 1).init(&device);
    Some(match setting.cell {
        Cell::Lstm => {
            let layer = LstmConfig::new(width, width, true).init(&device);
            Box::new(Burn { name, layer, head, setting, device })
        }
        Cell::Gru => {
            let layer = GruConfig::new(width, width, true).init(&device);
            Box::new(Burn { name, layer, head, setting, device })
        }
    })
}

/// A layer from zeros.
trait Layer: Module {
    /// `[b, s, width]`, both.
    fn outputs(&self, x: Tensor<3>) -> Tensor<3>;
}

impl Layer for Lstm {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None).0
    }
}

impl Layer for Gru {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None)
    }
}

struct Burn<L> {
    name: String,
    layer: L,
    head: Linear,
    setting: Setting,
    device: Device,
}

impl<L: Layer> Side for Burn<L> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn parameters(&self) -> usize {
        matrices(&self.layer) + matrices(&self.head)
    }

    fn run(&mut self, _: Work) -> Result<Duration, SideError> {
        let x = self.setting.input(&self.device);
        let start = Instant::now();
        let y = self.head.forward(self.layer.outputs(x));
        let gradients = y.square().mean().backward();
        let elapsed = start.elapsed();
        drop(gradients);
        Ok(elapsed)
    }
}
