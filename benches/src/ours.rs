//! The models out of this workspace, trained by its own trainer.

use crate::contest::{Side, SideError, Work};
use crate::language_model::{LanguageModel, SOURCE};
use crate::setting::{Batch, Inputs, Model, Setting};
use attn_train::Trainer;
use attn_train::config::TrainerConfig;
use attn_train::loss::{LossSum, projected_cross_entropy};
use attn_train::optimizer::AdamWConfig;
use attn_train::schedule::Schedule;
use attn_transformer::{
    Activation, BlockConfig, DecoderCache, DecoderOnly, DecoderOnlyConfig, EncoderDecoder,
    EncoderDecoderConfig, Layout, Mask, PositionConfig,
};
use burn::tensor::{Device, Tensor};
use std::fmt;
use std::time::{Duration, Instant};

/// No token of the batch is padding.
const NO_PADDING: u32 = u32::MAX;

fn block(setting: &Setting, activation: Activation) -> BlockConfig {
    let Setting { dropout, .. } = *setting;
    BlockConfig {
        d_ff: Some(setting.feed_forward),
        activation,
        dropout,
        feed_forward_dropout: dropout,
        ..BlockConfig::new(setting.width, setting.heads)
    }
    .with_attention_dropout(dropout)
}

/// The decoder-only model of `setting`: pre-norm, GELU, learned positions, and a vocabulary projection
/// of its own unless the setting is GPT-2's.
pub fn decoder_only(setting: &Setting, device: &Device) -> DecoderOnly {
    let activation = if setting.gpt2 { Activation::GeluTanh } else { Activation::Gelu };
    let config = DecoderOnlyConfig {
        layers: setting.layers,
        positions: PositionConfig::Learned { max_len: setting.positions() },
        tied: setting.gpt2,
        ..DecoderOnlyConfig::new(setting.vocabulary, block(setting, activation))
    };
    config.init(device)
}

/// The encoder–decoder of `setting`, as the example `translate` has it: pre-norm, ReLU, sinusoidal
/// positions, scaled embeddings of source and target, the output tied to the latter.
pub fn encoder_decoder(setting: &Setting, device: &Device) -> EncoderDecoder {
    let Setting { vocabulary, layers, .. } = *setting;
    let config = EncoderDecoderConfig {
        encoder_layers: layers,
        decoder_layers: layers,
        ..EncoderDecoderConfig::new(vocabulary, vocabulary, block(setting, Activation::Relu))
    };
    config.init(device)
}

impl LanguageModel for DecoderOnly {
    fn logits(&self, inputs: Inputs) -> Tensor<3> {
        self.forward(inputs.ids, &Layout::causal(), None)
    }

    fn decode(&self, inputs: Inputs) {
        let mut cache = DecoderCache::new();
        for step in inputs.ids.split(1, 1) {
            drop(self.forward(step, &Layout::causal(), Some(&mut cache)));
        }
    }
}

impl LanguageModel for EncoderDecoder {
    fn logits(&self, inputs: Inputs) -> Tensor<3> {
        self.forward(inputs.source.expect(SOURCE), &Mask::open(), inputs.ids)
    }

    fn decode(&self, inputs: Inputs) {
        let memory = self.memory(inputs.source.expect(SOURCE), &Mask::open());
        let mut cache = DecoderCache::new();
        for step in inputs.ids.split(1, 1) {
            drop(EncoderDecoder::decode(self, step, &memory, Some(&mut cache)));
        }
    }
}

/// What a trainer minimises: cross-entropy of the batch.
pub type Loss<M> = fn(&M, &Batch, &Device) -> LossSum;

/// A model whose loss does not want the logits themselves.
pub trait Projected: LanguageModel {
    /// What the logits are made of, `[batch, steps, width]`.
    fn features(&self, inputs: Inputs) -> Tensor<3>;

    /// What makes logits of it: a matrix `[width, vocabulary]`, and a row that is added.
    fn head(&self) -> (Tensor<2>, Option<Tensor<1>>);
}

impl Projected for DecoderOnly {
    fn features(&self, inputs: Inputs) -> Tensor<3> {
        self.hidden(inputs.ids, &Layout::causal(), None)
    }

    fn head(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        self.projection()
    }
}

impl Projected for EncoderDecoder {
    fn features(&self, inputs: Inputs) -> Tensor<3> {
        self.hidden(inputs.source.expect(SOURCE), &Mask::open(), inputs.ids)
    }

    fn head(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        self.projection()
    }
}

fn loss<M: Projected>(model: &M, batch: &Batch, device: &Device) -> LossSum {
    let features = model.features(batch.inputs(device)).flatten(0, 1);
    projected_cross_entropy(features, model.head(), &batch.next, 0.0, NO_PADDING)
}

/// A trainer of `model` on `device`, with the optimizer of every side.
///
/// # Errors
/// If the trainer refuses its configuration.
pub fn trainer<M: Projected>(model: M, device: &Device) -> Result<Trainer<M, Loss<M>>, SideError> {
    let config = TrainerConfig {
        schedule: Schedule::Constant { peak: Setting::LEARNING_RATE, warmup: 0 },
        adamw: AdamWConfig {
            beta_2: 0.999,
            epsilon: Setting::EPSILON,
            weight_decay: Setting::WEIGHT_DECAY,
            ..AdamWConfig::default()
        },
        clip_norm: None,
        ..TrainerConfig::default()
    };
    Trainer::new(config, model, loss as Loss<M>, device)
        .map_err(|error| SideError { side: NAME.into(), reason: error.to_string() })
}

/// The side of this workspace on `device`, which is called `place` in the table.
///
/// # Errors
/// If the trainer refuses its configuration.
pub fn side(setting: &Setting, place: &str, device: &Device) -> Result<Box<dyn Side>, SideError> {
    let autodiff = &device.clone().autodiff();
    Ok(match setting.model {
        Model::DecoderOnly => Box::new(Ours {
            place: place.into(),
            device: device.clone(),
            trainer: trainer(decoder_only(setting, autodiff), autodiff)?,
            batch: setting.draw_batch(),
        }),
        Model::EncoderDecoder => Box::new(Ours {
            place: place.into(),
            device: device.clone(),
            trainer: trainer(encoder_decoder(setting, autodiff), autodiff)?,
            batch: setting.draw_batch(),
        }),
    })
}

/// A model and its trainer.
struct Ours<M> {
    place: String,
    /// Without autodiff.
    device: Device,
    trainer: Trainer<M, Loss<M>>,
    batch: Batch,
}

impl<M> fmt::Debug for Ours<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ours").field("device", &self.device).finish_non_exhaustive()
    }
}

const NAME: &str = "attn-transformer, attn-train";

impl<M: Projected> Ours<M> {
    fn failed(&self, reason: impl ToString) -> SideError {
        SideError { side: self.name(), reason: reason.to_string() }
    }
}

impl<M: Projected> Side for Ours<M> {
    fn name(&self) -> String {
        format!("{NAME}, {}", self.place)
    }

    fn parameters(&self) -> usize {
        self.trainer.model().num_params()
    }

    fn run(&mut self, work: Work) -> Result<Duration, SideError> {
        let start;
        match work {
            Work::Train => {
                start = Instant::now();
                let step = self.trainer.step(std::slice::from_ref(&self.batch));
                step.map_err(|error| self.failed(error))?;
            }
            Work::Forward | Work::Decode => {
                let model = self.trainer.model().valid();
                start = Instant::now();
                let inputs = self.batch.inputs(&self.device);
                match work {
                    Work::Decode => model.decode(inputs),
                    _ => drop(model.logits(inputs)),
                }
            }
        }
        self.device.sync().map_err(|error| self.failed(error))?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::setting::Preset;
    use burn::module::Module;

    /// A block is `12 m² + 13 m`: four square maps and two of four times the width, their biases, two
    /// norms.
    #[test]
    fn the_small_preset_has_the_parameters_of_its_architecture() {
        let [setting, _] = Preset::Small.settings(8);
        let model = decoder_only(&setting, &device::default().device);
        let m = 256;
        assert_eq!(model.num_params(), 4 * (12 * m * m + 13 * m) + (4096 + 1024 + 2) * m);
    }
}
