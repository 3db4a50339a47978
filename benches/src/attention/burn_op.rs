//! What users of burn have without this workspace: [`burn::tensor::module::attention`].

use super::contest::{Column, Contender, Repetition};
use super::setting::{Pass, Setting, Visible};
use super::tensors::{Tensors, timed};
use crate::contest::SideError;
use crate::device::NamedDevice;
use crate::machine;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};

/// burn's own attention on a device.
#[derive(Debug)]
pub struct BurnOp(pub NamedDevice);

impl BurnOp {
    /// Matrices of scores that exist at once: forward the product, the scaled and the masked scores
    /// and their exponentials, and with a backward pass all that autodiff keeps and then makes.
    fn fits(setting: &Setting) -> bool {
        let matrices = match setting.pass {
            Pass::Forward => 5,
            Pass::Train => 14,
        };
        machine::available_memory()
            .is_none_or(|bytes| matrices * setting.scores_bytes() < bytes / 4 * 3)
    }
}

impl Contender for BurnOp {
    fn name(&self) -> String {
        format!("burn {}, module::attention, {}", machine::burn_version(), self.0.name)
    }

    fn column(&self) -> Column {
        Column::Burn(self.0.name)
    }

    fn prepare(&mut self, setting: &Setting) -> Result<Option<Repetition<'_>>, SideError> {
        // It has no dropout.
        if setting.dropout.is_some() || !Self::fits(setting) {
            return Ok(None);
        }
        let device = &self.0.device;
        let tensors = Tensors::draw(setting, device);
        let options = AttentionModuleOptions {
            is_causal: setting.visible == Visible::Causal,
            ..AttentionModuleOptions::default()
        };
        // It knows no other structure, so it gets a matrix, made once.
        let hidden = matches!(setting.visible, Visible::Window { .. } | Visible::Documents { .. })
            .then(|| hidden(setting, &tensors.query));
        let attend = move || {
            let Tensors { query, key, value, bias } = tensors.clone();
            attention(query, key, value, hidden.clone(), bias, options)
        };
        Ok(Some(timed(self.name(), device.clone(), setting.pass, attend)))
    }
}

/// `[batch, heads, queries, keys]`, as burn wants it, without copies of it for each head.
fn hidden(setting: &Setting, like: &Tensor<4>) -> Tensor<4, Bool> {
    let Setting { batch, heads, queries, keys, .. } = *setting;
    let visible = setting.mask().lower(&setting.shape(), &like.device());
    visible.bool_not().expand([batch, heads, queries, keys])
}
