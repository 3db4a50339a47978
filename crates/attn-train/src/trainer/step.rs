//! One step: batches, gradients, new parameters.

use attn_core::random;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};

use crate::evaluate::to_host;
use crate::objective::Objective;
use crate::optimizer::{clip_factor, squared_norm};

use super::{Quantity, TrainError, Trainer};

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss before the step.
    pub loss: f64,
    /// What it was averaged over.
    pub tokens: usize,
    /// Norm of the gradient of the mean loss, all parameters together, before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub learning_rate: f64,
}

impl<M: Module, O> Trainer<M, O> {
    /// Takes one step on the mean loss of all `batches` together.
    ///
    /// For `n` batches with summed losses `Lᵢ` over `tᵢ` tokens the step is along the gradient of
    /// `Σ Lᵢ / Σ tᵢ`: the gradients of the sums are added up, and scaled once. Batches of unequal
    /// size weigh what they hold, and memory is that of one batch.
    ///
    /// The device is waited for once, for the losses and the norm of the gradient.
    ///
    /// # Errors
    /// If the objective cannot be computed of the model, or the loss or the norm of the gradient is NaN
    /// or infinite; the parameters then stay as they were.
    ///
    /// # Panics
    /// If the batches hold nothing to average over, or no parameter has a gradient.
    pub fn step<B>(&mut self, batches: &[B]) -> Result<StepReport, TrainError>
    where
        O: Objective<M, B>,
    {
        self.objective.check(self.model())?;
        let step = self.state.step + 1;
        let step_seed = random::combine(self.config.seed, step as u64);

        let mut gradients = GradientsAccumulator::new();
        let mut scalars = Vec::with_capacity(batches.len() + 1);
        let mut tokens = 0;
        for (index, batch) in batches.iter().enumerate() {
            random::seed(random::combine(step_seed, index as u64));
            let loss = self.objective.loss(self.model(), batch, &self.device);
            tokens += loss.tokens;
            let batch_gradients = GradientsParams::from_grads(loss.sum.backward(), self.model());
            gradients.accumulate(self.model(), batch_gradients);
            scalars.push(loss.sum.inner());
        }
        assert!(tokens > 0, "the mean loss of 0 tokens is undefined");
        let gradients = gradients.grads();
        scalars.push(squared_norm(self.model(), &gradients));

        let mut scalars = to_host(scalars);
        let squared = scalars.pop().expect("the squared norm was pushed last");
        let count = tokens as f64;
        let loss = self.finite(Quantity::Loss, scalars.iter().sum::<f64>() / count, step)?;
        let norm = self.finite(Quantity::GradientNorm, squared.sqrt() / count, step)?;

        let scale = clip_factor(norm, self.config.clip_norm) / count;
        let rate = self.config.schedule.rate(step);
        let model = self.take_model();
        self.model = Some(self.optimizer.step(model, gradients, scale, rate));
        self.state.step = step;
        Ok(StepReport { loss, tokens, gradient_norm: norm, learning_rate: rate })
    }

    /// The value, or the error that ends the run.
    pub(super) fn finite(
        &self,
        what: Quantity,
        value: f64,
        step: usize,
    ) -> Result<f64, TrainError> {
        if value.is_finite() {
            return Ok(value);
        }
        let checkpoint = self.run.as_ref().and_then(|run| run.last()).map(Into::into);
        Err(TrainError::NotFinite { what, value, step, checkpoint })
    }
}
