//! The same model out of burn's own layers.

use crate::native::LanguageModel;
use crate::setting::Setting;
use burn::module::Module;
use burn::nn::activation::ActivationConfig;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Decoder-only out of [`burn::nn`]. burn's stack has no final norm, so the model adds it.
#[derive(Module, Debug)]
pub struct BurnLayers {
    tokens: Embedding,
    positions: Embedding,
    dropout: Dropout,
    encoder: TransformerEncoder,
    norm: LayerNorm,
    head: Linear,
}

/// The model of `setting`: pre-norm, GELU, learned positions, a vocabulary projection of its own.
pub fn model(setting: &Setting, device: &Device) -> BurnLayers {
    let Setting { layers, width, heads, feed_forward, vocabulary, steps, dropout, .. } = *setting;
    BurnLayers {
        tokens: EmbeddingConfig::new(vocabulary, width).init(device),
        positions: EmbeddingConfig::new(steps, width).init(device),
        dropout: DropoutConfig::new(dropout).init(),
        encoder: TransformerEncoderConfig::new(width, feed_forward, heads, layers)
            .with_norm_first(true)
            .with_activation(ActivationConfig::Gelu)
            .with_dropout(dropout)
            .init(device),
        norm: LayerNormConfig::new(width).init(device),
        head: LinearConfig::new(width, vocabulary).with_bias(false).init(device),
    }
}

impl BurnLayers {
    fn input(&self, ids: Tensor<2, Int>) -> TransformerEncoderInput {
        let [batch, steps] = ids.dims();
        let device = ids.device();
        let positions = Tensor::arange(0..steps as i64, &device).unsqueeze(); // [1, s]
        let x = self.tokens.forward(ids) + self.positions.forward(positions); // [b, s, m]
        let hidden = generate_autoregressive_mask(batch, steps, &device); // [b, s, s]
        TransformerEncoderInput::new(self.dropout.forward(x)).mask_attn(hidden)
    }
}

impl LanguageModel for BurnLayers {
    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let x = self.encoder.forward(self.input(ids));
        self.head.forward(self.norm.forward(x)) // [b, s, vocabulary]
    }

    /// burn's cache is asked with all steps so far, and works on the last.
    fn decode(&self, ids: Tensor<2, Int>) {
        let [batch, steps] = ids.dims();
        let mut cache = self.encoder.new_autoregressive_cache();
        for seen in 1..=steps {
            let input = self.input(ids.clone().slice([0..batch, 0..seen]));
            let x = self.encoder.forward_autoregressive_inference(input, &mut cache);
            let last = x.narrow(1, seen - 1, 1);
            drop(self.head.forward(self.norm.forward(last))); // [b, 1, vocabulary]
        }
    }

    fn loss(&self, logits: Tensor<3>, next: &[u32]) -> Tensor<1> {
        let device = logits.device();
        let next = Tensor::from_data(TensorData::new(next.to_vec(), [next.len()]), &device);
        CrossEntropyLossConfig::new().init(&device).forward(logits.flatten(0, 1), next)
    }
}
