//! The same models out of burn's own layers.

use crate::contest::Side;
use crate::language_model::{LanguageModel, SOURCE};
use crate::machine;
use crate::native::Native;
use crate::setting::{Inputs, Model, Setting};
use burn::module::Module;
use burn::nn::activation::ActivationConfig;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::transformer::{
    TransformerDecoder, TransformerDecoderConfig, TransformerDecoderInput, TransformerEncoder,
    TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PositionalEncoding, PositionalEncodingConfig,
};
use burn::tensor::{Device, Int, Tensor};

/// The side of burn's own layers on `device`, which is called `place` in the table.
pub fn side(setting: &Setting, place: &str, device: &Device) -> Box<dyn Side> {
    let autodiff = &device.clone().autodiff();
    let name = format!("burn {}, burn::nn, {place}", machine::burn_version());
    match setting.model {
        Model::DecoderOnly => {
            Box::new(Native::new(name, decoder_only(setting, autodiff), setting, autodiff))
        }
        Model::EncoderDecoder => {
            Box::new(Native::new(name, encoder_decoder(setting, autodiff), setting, autodiff))
        }
    }
}

/// Decoder-only out of [`burn::nn`]. burn's stack has no final norm, so the model adds it.
#[derive(Module, Debug)]
pub struct BurnLayers {
    tokens: Embedding,
    positions: Embedding,
    dropout: Dropout,
    encoder: TransformerEncoder,
    norm: LayerNorm,
    /// `None` if it is the table of tokens, transposed.
    head: Option<Linear>,
}

/// The decoder-only model of `setting`, as [`crate::ours`] has it.
pub fn decoder_only(setting: &Setting, device: &Device) -> BurnLayers {
    let Setting { layers, width, heads, feed_forward, vocabulary, dropout, gpt2, .. } = *setting;
    let activation = if gpt2 { ActivationConfig::GeluApproximate } else { ActivationConfig::Gelu };
    BurnLayers {
        tokens: EmbeddingConfig::new(vocabulary, width).init(device),
        positions: EmbeddingConfig::new(setting.positions(), width).init(device),
        dropout: DropoutConfig::new(dropout).init(),
        encoder: TransformerEncoderConfig::new(width, feed_forward, heads, layers)
            .with_norm_first(true)
            .with_activation(activation)
            .with_dropout(dropout)
            .init(device),
        norm: LayerNormConfig::new(width).init(device),
        head: (!gpt2).then(|| LinearConfig::new(width, vocabulary).with_bias(false).init(device)),
    }
}

/// `[b, s, m]` → `[b, s, vocabulary]`
fn tied_head(x: Tensor<3>, table: &Embedding) -> Tensor<3> {
    x.matmul(table.weight.val().transpose().unsqueeze())
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

impl BurnLayers {
    fn head(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm.forward(x);
        match &self.head {
            Some(head) => head.forward(x),
            None => tied_head(x, &self.tokens),
        }
    }
}

impl LanguageModel for BurnLayers {
    fn logits(&self, inputs: Inputs) -> Tensor<3> {
        self.head(self.encoder.forward(self.input(inputs.ids)))
    }

    /// burn's cache is asked with all steps so far, and works on the last.
    fn decode(&self, inputs: Inputs) {
        let [batch, steps] = inputs.ids.dims();
        let mut cache = self.encoder.new_autoregressive_cache();
        for seen in 1..=steps {
            let input = self.input(inputs.ids.clone().slice([0..batch, 0..seen]));
            let x = self.encoder.forward_autoregressive_inference(input, &mut cache);
            drop(self.head(x.narrow(1, seen - 1, 1)));
        }
    }
}

/// Encoder–decoder out of [`burn::nn`], whose stacks have no final norms either.
#[derive(Module, Debug)]
pub struct BurnEncoderDecoder {
    source: Embedding,
    target: Embedding,
    positions: PositionalEncoding,
    dropout: Dropout,
    encoder: TransformerEncoder,
    encoder_norm: LayerNorm,
    decoder: TransformerDecoder,
    decoder_norm: LayerNorm,
    scale: f64,
}

/// The encoder–decoder of `setting`, as [`crate::ours`] has it.
pub fn encoder_decoder(setting: &Setting, device: &Device) -> BurnEncoderDecoder {
    let Setting { layers, width, heads, feed_forward, vocabulary, dropout, .. } = *setting;
    let table = || EmbeddingConfig::new(vocabulary, width).init(device);
    let norm = || LayerNormConfig::new(width).init(device);
    BurnEncoderDecoder {
        source: table(),
        target: table(),
        positions: PositionalEncodingConfig::new(width)
            .with_max_sequence_size(setting.steps.max(setting.source_steps))
            .init(device),
        dropout: DropoutConfig::new(dropout).init(),
        encoder: TransformerEncoderConfig::new(width, feed_forward, heads, layers)
            .with_norm_first(true)
            .with_activation(ActivationConfig::Relu)
            .with_dropout(dropout)
            .init(device),
        encoder_norm: norm(),
        decoder: TransformerDecoderConfig::new(width, feed_forward, heads, layers)
            .with_norm_first(true)
            .with_activation(ActivationConfig::Relu)
            .with_dropout(dropout)
            .init(device),
        decoder_norm: norm(),
        scale: (width as f64).sqrt(),
    }
}

impl BurnEncoderDecoder {
    fn embed(&self, ids: Tensor<2, Int>, table: &Embedding) -> Tensor<3> {
        self.dropout.forward(self.positions.forward(table.forward(ids) * self.scale))
    }

    fn memory(&self, source: Option<Tensor<2, Int>>) -> Tensor<3> {
        let x = self.embed(source.expect(SOURCE), &self.source);
        self.encoder_norm.forward(self.encoder.forward(TransformerEncoderInput::new(x)))
    }

    fn target(&self, ids: Tensor<2, Int>, memory: Tensor<3>) -> TransformerDecoderInput {
        let [batch, steps] = ids.dims();
        let hidden = generate_autoregressive_mask(batch, steps, &ids.device()); // [b, t, t]
        let x = self.embed(ids, &self.target); // [b, t, m]
        TransformerDecoderInput::new(x, memory).target_mask_attn(hidden)
    }

    fn head(&self, x: Tensor<3>) -> Tensor<3> {
        tied_head(self.decoder_norm.forward(x), &self.target)
    }
}

impl LanguageModel for BurnEncoderDecoder {
    fn logits(&self, inputs: Inputs) -> Tensor<3> {
        let memory = self.memory(inputs.source);
        self.head(self.decoder.forward(self.target(inputs.ids, memory)))
    }

    /// As that of [`BurnLayers`].
    fn decode(&self, inputs: Inputs) {
        let memory = self.memory(inputs.source);
        let [batch, steps] = inputs.ids.dims();
        let mut cache = self.decoder.new_autoregressive_cache();
        for seen in 1..=steps {
            let ids = inputs.ids.clone().slice([0..batch, 0..seen]);
            let input = self.target(ids, memory.clone());
            let x = self.decoder.forward_autoregressive_inference(input, &mut cache);
            drop(self.head(x.narrow(1, seen - 1, 1)));
        }
    }
}
