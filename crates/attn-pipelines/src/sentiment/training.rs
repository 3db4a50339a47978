//! How models are trained, and asked.

use attn_core::random;
use attn_train::loss::{LossSum, cross_entropy};
use attn_train::{AdamWConfig, Progress, Schedule, StopSignal, TrainError, Trainer, TrainerConfig};
use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::activation::softmax;

use super::batch::{Batch, plan};
use super::features::{Example, Examples};
use super::model::Judge;
use super::{ModelSettings, TrainingSettings};

/// Steps of warm-up.
const WARMUP: usize = 50;
/// Sentences that a model is asked about at a time.
const ASKED: usize = 100;

/// What a model says of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// Probability that it praises.
    pub(super) praise: f64,
    /// How much each word weighs, the mean over hops.
    pub(super) weights: Option<Vec<f32>>,
}

impl Verdict {
    pub(super) fn is_right(&self, praise: bool) -> bool {
        (self.praise > 0.5) == praise
    }

    fn loss(&self, praise: bool) -> f64 {
        // A probability of an f32 may be 0.
        -(if praise { self.praise } else { 1.0 - self.praise }).max(1e-12).ln()
    }
}

/// Share of right verdicts.
pub(super) fn accuracy(verdicts: &[Verdict], examples: &[Example]) -> f64 {
    let right = verdicts.iter().zip(examples).filter(|(verdict, e)| verdict.is_right(e.praise));
    right.count() as f64 / examples.len() as f64
}

/// A training under way.
pub(super) struct Training<'a> {
    pub(super) settings: &'a TrainingSettings,
    pub(super) model: &'a ModelSettings,
    pub(super) seed: u64,
    pub(super) device: &'a Device,
    pub(super) stops: [&'a StopSignal; 2],
}

/// The best of a training by validation loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Best {
    /// Passes over the sentences.
    pub(super) epochs: usize,
    pub(super) loss: f64,
    /// Share of right verdicts on the validation sentences.
    pub(super) accuracy: f64,
}

impl Training<'_> {
    /// Finds out how many passes are best for the sentences to validate with, `examples.others`.
    /// `None` if it was stopped.
    pub(super) fn validate(&self, examples: &Examples) -> Result<Option<Best>, TrainError> {
        let mut best: Option<Best> = None;
        let done = self.epochs(examples, self.settings.max_epochs, |epochs, model| {
            let verdicts = ask(model, &examples.others, self.device);
            let losses = verdicts.iter().zip(&examples.others).map(|(v, e)| v.loss(e.praise));
            let loss = losses.sum::<f64>() / examples.others.len() as f64;
            if best.is_none_or(|best| loss < best.loss) {
                best = Some(Best { epochs, loss, accuracy: accuracy(&verdicts, &examples.others) });
            }
            best.is_some_and(|best| epochs - best.epochs < self.settings.patience)
        })?;
        Ok(done.and(best))
    }

    /// A model after so many passes over `examples.learning`. `None` if it was stopped.
    pub(super) fn train(
        &self,
        examples: &Examples,
        epochs: usize,
    ) -> Result<Option<Judge>, TrainError> {
        Ok(self.epochs(examples, epochs, |_, _| true)?.map(|judge| judge.valid()))
    }

    /// Up to `epochs` passes, as long as `after` each one says so.
    fn epochs(
        &self,
        examples: &Examples,
        epochs: usize,
        mut after: impl FnMut(usize, &Judge) -> bool,
    ) -> Result<Option<Judge>, TrainError> {
        let TrainingSettings { rate, weight_decay, batch, label_smoothing, .. } = *self.settings;
        let config = TrainerConfig {
            seed: self.seed,
            schedule: Schedule::Constant { peak: rate, warmup: WARMUP },
            adamw: AdamWConfig { weight_decay, ..AdamWConfig::default() },
            ..TrainerConfig::default()
        };
        let ModelSettings { penalty, word_dropout, ratio_dropout, .. } = *self.model;
        let objective = |judge: &Judge, batch: &Batch, device: &Device| {
            let batch = batch.with_dropout(word_dropout, ratio_dropout, random::next_seed());
            let said = judge.forward(&batch, device);
            let no_label = u32::MAX;
            let LossSum { sum, tokens } =
                cross_entropy(said.logits, &batch.labels, label_smoothing, no_label);
            let sum = match said.penalty.filter(|_| penalty > 0.0) {
                Some(overlap) => sum + overlap.sum() * penalty,
                None => sum,
            };
            LossSum { sum, tokens }
        };
        let judge = self.model.init(examples.vocab, self.seed, &self.device.clone().autodiff());
        let mut trainer =
            Trainer::new(config, judge, objective, self.device)?.with_progress(Progress::Hidden);
        for epoch in 0..epochs {
            for rows in plan(&examples.learning, batch, Some(self.seed), epoch as u64) {
                if self.stops.iter().any(|stop| stop.is_stopped()) {
                    return Ok(None);
                }
                let rows = rows.iter().map(|&row| &examples.learning[row]);
                trainer.step(&[Batch::new(rows)])?;
            }
            if !after(epoch + 1, &trainer.model().valid()) {
                break;
            }
        }
        Ok(Some(trainer.into_model()))
    }
}

/// What a model says of sentences, in their order.
pub(super) fn ask(model: &Judge, examples: &[Example], device: &Device) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; examples.len()];
    for rows in plan(examples, ASKED, None, 0) {
        let batch = Batch::new(rows.iter().map(|&row| &examples[row]));
        let said = model.forward(&batch, device);
        let praise = softmax(said.logits, 1).slice_dim(1, 1..2).into_data();
        let weights = said.weights.map(|weights| {
            let [_, _, s] = weights.dims();
            let weights: Vec<f32> = weights.mean_dim(1).into_data().iter::<f32>().collect();
            (weights, s)
        });
        for (place, (&row, praise)) in rows.iter().zip(praise.iter::<f64>()).enumerate() {
            let of_words = |(weights, s): &(Vec<f32>, usize)| {
                weights[place * s..][..batch.lengths[place]].to_vec()
            };
            verdicts[row] = Some(Verdict { praise, weights: weights.as_ref().map(of_words) });
        }
    }
    verdicts.into_iter().flatten().collect()
}
