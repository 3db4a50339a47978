//! attn-rnn.

use super::{Cell, Setting, matrices};
use crate::contest::{Side, SideError, Work};
use crate::device::NamedDevice;
use attn_kernels::linear::linear;
use attn_rnn::{CellKind, Recurrent, RecurrentConfig};
use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use std::time::{Duration, Instant};

/// Layers on a device.
#[derive(Debug)]
pub(super) struct Ours {
    name: String,
    layers: Recurrent,
    head: Linear,
    setting: Setting,
    device: Device,
}

impl Ours {
    pub(super) fn new(setting: &Setting, device: &NamedDevice) -> Self {
        let name = format!("attn-rnn, {}", device.name);
        let device = device.device.clone().autodiff();
        let cell = match setting.cell {
            Cell::Lstm => CellKind::Lstm,
            Cell::Gru => CellKind::Gru,
        };
        let config = RecurrentConfig {
            layers: setting.layers,
            bidirectional: setting.bidirectional,
            ..RecurrentConfig::new(cell, setting.width, setting.width)
        };
        let head = LinearConfig::new(config.d_output(), 1).init(&device);
        Self { name, layers: config.init(&device), head, setting: setting.clone(), device }
    }
}

impl Side for Ours {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn parameters(&self) -> usize {
        matrices(&self.layers) + matrices(&self.head)
    }

    fn run(&mut self, _: Work) -> Result<Duration, SideError> {
        let x = self.setting.input(&self.device);
        let start = Instant::now();
        let output = self.layers.forward(x, &self.setting.lengths, None);
        let (weight, bias) = (self.head.weight.val(), self.head.bias.as_ref().map(Param::val));
        let gradients = linear(output.outputs, weight, bias).square().mean().backward();
        let elapsed = start.elapsed();
        drop(gradients);
        Ok(elapsed)
    }
}
