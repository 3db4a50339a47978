//! The model out of this workspace, trained by its own trainer.

use crate::contest::{Side, SideError, Work};
use crate::setting::{Batch, Setting};
use attn_train::Trainer;
use attn_train::config::TrainerConfig;
use attn_train::loss::{LossSum, projected_cross_entropy};
use attn_train::optimizer::AdamWConfig;
use attn_train::schedule::Schedule;
use attn_transformer::{
    Activation, BlockConfig, DecoderCache, DecoderOnly, DecoderOnlyConfig, Layout, PositionConfig,
};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::fmt;
use std::time::{Duration, Instant};

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

type Loss = fn(&DecoderOnly, &Tokens, &Device) -> LossSum;

fn loss(model: &DecoderOnly, tokens: &Tokens, device: &Device) -> LossSum {
    let hidden = model.hidden(tokens.ids(device), &Layout::causal(), None).flatten(0, 1);
    projected_cross_entropy(hidden, model.projection(), &tokens.batch.next, 0.0, NO_PADDING)
}

/// One batch and its shape.
struct Tokens {
    batch: Batch,
    shape: [usize; 2],
}

impl Tokens {
    fn ids(&self, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(self.batch.ids.clone(), self.shape), device)
    }
}

/// A model and its trainer.
pub struct Ours {
    device: Device,
    trainer: Trainer<DecoderOnly, Loss>,
    tokens: Tokens,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ours").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Ours {
    /// On `device`, which must be an autodiff device.
    ///
    /// # Errors
    /// If the trainer refuses its configuration.
    pub fn new(setting: &Setting, device: &Device) -> Result<Self, SideError> {
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
        let trainer = Trainer::new(config, model(setting, device), loss as Loss, device);
        let tokens = Tokens { batch: setting.draw_batch(), shape: [setting.batch, setting.steps] };
        Ok(Self { device: device.clone(), trainer: trainer.map_err(failed)?, tokens })
    }
}

const NAME: &str = "attn-transformer, attn-train";

fn failed(reason: impl ToString) -> SideError {
    SideError { side: NAME.to_string(), reason: reason.to_string() }
}

impl Side for Ours {
    fn name(&self) -> String {
        NAME.to_string()
    }

    fn parameters(&self) -> usize {
        self.trainer.model().num_params()
    }

    fn run(&mut self, work: Work) -> Result<Duration, SideError> {
        let start;
        match work {
            Work::Train => {
                start = Instant::now();
                self.trainer.step(std::slice::from_ref(&self.tokens)).map_err(failed)?;
            }
            Work::Forward => {
                let model = self.trainer.model().valid();
                let device = self.device.clone().without_autodiff();
                start = Instant::now();
                drop(model.forward(self.tokens.ids(&device), &Layout::causal(), None));
            }
            Work::Decode => {
                let model = self.trainer.model().valid();
                let ids = self.tokens.ids(&self.device.clone().without_autodiff());
                let mut cache = DecoderCache::new();
                start = Instant::now();
                for step in ids.split(1, 1) {
                    drop(model.forward(step, &Layout::causal(), Some(&mut cache)));
                }
            }
        }
        self.device.sync().map_err(failed)?;
        Ok(start.elapsed())
    }
}
