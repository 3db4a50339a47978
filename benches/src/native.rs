//! A side that runs in this process: any language model of burn modules, trained by burn's own
//! optimizer on burn's own loss.

use crate::contest::{Side, SideError, Work};
use crate::language_model::LanguageModel;
use crate::setting::{Inputs, Setting};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::fmt;
use std::time::{Duration, Instant};

/// A model with its optimizer and its batch.
pub struct Native<M> {
    name: String,
    device: Device,
    /// `None` only while the optimizer has it: a second owner would make it copy every weight.
    model: Option<M>,
    optimizer: ModuleOptimizer,
    inputs: Inputs,
    /// `[rows · steps]`
    next: Tensor<1, Int>,
    loss: CrossEntropyLoss,
}

impl<M> fmt::Debug for Native<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<M: LanguageModel> Native<M> {
    /// `model` lives on `device`, which must be an autodiff device.
    pub fn new(name: String, model: M, setting: &Setting, device: &Device) -> Self {
        let batch = setting.draw_batch();
        let next = TensorData::new(batch.next.clone(), [batch.next.len()]);
        let optimizer = AdamWConfig::new()
            .with_epsilon(Setting::EPSILON)
            .with_weight_decay(Setting::WEIGHT_DECAY)
            .init();
        Self {
            name,
            device: device.clone(),
            model: Some(model),
            optimizer,
            inputs: batch.inputs(device),
            next: Tensor::from_data(next, device),
            loss: CrossEntropyLossConfig::new().init(device),
        }
    }

    fn model(&self) -> &M {
        self.model.as_ref().expect("the model is back after each step")
    }

    fn failed(&self, reason: impl ToString) -> SideError {
        SideError { side: self.name.clone(), reason: reason.to_string() }
    }

    fn train(&mut self) -> f32 {
        let model = self.model.take().expect("the model is back after each step");
        let logits = model.logits(self.inputs.clone());
        let loss = self.loss.forward(logits.flatten(0, 1), self.next.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(Setting::LEARNING_RATE, model, gradients));
        // A training loop reports its loss; reading it also waits for the device.
        loss.into_scalar()
    }
}

impl<M: LanguageModel> Side for Native<M> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn parameters(&self) -> usize {
        self.model().num_params()
    }

    fn run(&mut self, work: Work) -> Result<Duration, SideError> {
        let time = match work {
            Work::Train => {
                let start = Instant::now();
                let loss = self.train();
                // The loss says nothing of the optimizer's work, which is still under way on a GPU.
                self.device.sync().map_err(|error| self.failed(error))?;
                let time = start.elapsed();
                if !loss.is_finite() {
                    return Err(self.failed(format!("the loss is {loss}")));
                }
                time
            }
            Work::Forward | Work::Decode => {
                let model = self.model().valid();
                let inputs = Inputs {
                    source: self.inputs.source.clone().map(Tensor::inner),
                    ids: self.inputs.ids.clone().inner(),
                };
                let start = Instant::now();
                match work {
                    Work::Decode => model.decode(inputs),
                    _ => drop(model.logits(inputs)),
                }
                self.device.sync().map_err(|error| self.failed(error))?;
                start.elapsed()
            }
        };
        Ok(time)
    }
}
