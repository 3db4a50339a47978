//! The model out of this workspace.

use crate::native::LanguageModel;
use crate::setting::Setting;
use attn_train::loss::cross_entropy;
use attn_transformer::{
    Activation, BlockConfig, DecoderOnly, DecoderOnlyConfig, Layout, PositionConfig,
};
use burn::tensor::{Device, Int, Tensor};

/// No token of the batch is padding.
const NO_PADDING: u32 = u32::MAX;

/// The model of `setting`: pre-norm, GELU, learned positions, a vocabulary projection of its own.
pub fn model(setting: &Setting, device: &Device) -> DecoderOnly {
    let Setting { dropout, .. } = *setting;
    let block = BlockConfig {
        d_ff: Some(setting.feed_forward),
        activation: Activation::Gelu,
        dropout,
        attention_dropout: dropout,
        feed_forward_dropout: dropout,
        ..BlockConfig::new(setting.width, setting.heads)
    };
    let config = DecoderOnlyConfig {
        layers: setting.layers,
        positions: PositionConfig::Learned { max_len: setting.steps },
        tied: false,
        ..DecoderOnlyConfig::new(setting.vocabulary, block)
    };
    config.init(device)
}

impl LanguageModel for DecoderOnly {
    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.forward(ids, &Layout::causal(), None)
    }

    fn loss(&self, logits: Tensor<3>, next: &[u32]) -> Tensor<1> {
        cross_entropy(logits.flatten(0, 1), next, 0.0, NO_PADDING).mean()
    }
}
