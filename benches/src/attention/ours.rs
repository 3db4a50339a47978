//! This workspace: [`attn_core::attend`].

use super::contest::{Column, Contender, Repetition};
use super::setting::Setting;
use super::tensors::{Tensors, timed};
use crate::contest::SideError;
use crate::device::NamedDevice;
use attn_core::{AttendOptions, DropoutMask, Mask, attend};
use burn::tensor::{Device, Tensor};

/// [`attend`] on a device.
#[derive(Debug)]
pub struct Ours(pub NamedDevice);

/// [`attend`] at one setting: its tensors, and what they are attended with.
#[derive(Debug)]
pub struct Attention {
    tensors: Tensors,
    mask: Mask,
    options: AttendOptions,
}

impl Attention {
    /// Makes the tensors on `device`, which has no autodiff.
    pub fn new(setting: &Setting, device: &Device) -> Self {
        let tensors = Tensors::draw(setting, device);
        let options = AttendOptions {
            bias: tensors.bias.clone(),
            // In training each step has a seed of its own; to draw one costs nothing.
            dropout: setting.dropout.map(|prob| DropoutMask::new(prob, 7)),
            ..AttendOptions::default()
        };
        Self { tensors, mask: setting.mask(), options }
    }

    /// `[batch, heads, queries, width]`
    pub fn output(&self) -> Tensor<4> {
        let Tensors { query, key, value, .. } = self.tensors.clone();
        attend(query, key, value, &self.mask, &self.options)
    }
}

impl Contender for Ours {
    fn name(&self) -> String {
        format!("attn_core::attend, {}", self.0.name)
    }

    fn column(&self) -> Column {
        Column::Ours(self.0.name)
    }

    fn prepare(&mut self, setting: &Setting) -> Result<Option<Repetition<'_>>, SideError> {
        let attention = Attention::new(setting, &self.0.device);
        let attend = move || attention.output();
        Ok(Some(timed(self.name(), self.0.device.clone(), setting.pass, attend)))
    }
}
