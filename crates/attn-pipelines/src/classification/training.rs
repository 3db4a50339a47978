//! How models are trained, and what they predict.

use attn_core::random;
use attn_train::loss::{LossSum, cross_entropy};
use attn_train::{
    AdamWConfig, Objective, Progress, Schedule, StopSignal, TrainError, Trainer, TrainerConfig,
};
use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::activation::softmax;

use super::batch::{Batch, plan};
use super::features::{Example, Examples};
use super::model::WordClassifier;
use super::{ModelSettings, TrainingSettings};

/// Steps of warm-up.
pub(super) const WARMUP: usize = 50;
/// Sentences of a batch to predict.
const PREDICTED: usize = 100;

/// What a model predicts of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Probability that it praises.
    pub praise: f64,
    /// How much each word weighs, the mean over hops; `None` of a model that does not attend. The
    /// words are those of [`words`](fn@super::words).
    pub weights: Option<Vec<f32>>,
}

impl Prediction {
    pub(super) fn is_right(&self, praise: bool) -> bool {
        (self.praise > 0.5) == praise
    }

    fn loss(&self, praise: bool) -> f64 {
        // A probability of an f32 may be 0.
        -(if praise { self.praise } else { 1.0 - self.praise }).max(1e-12).ln()
    }
}

/// Share of right predictions.
pub(super) fn accuracy(predictions: &[Prediction], examples: &[Example]) -> f64 {
    let right =
        predictions.iter().zip(examples).filter(|(prediction, e)| prediction.is_right(e.praise));
    right.count() as f64 / examples.len() as f64
}

/// Cross-entropy of the label; in training with dropout of words, label smoothing and the penalty that
/// keeps hops apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelLoss<'a> {
    pub(super) model: &'a ModelSettings,
    pub(super) label_smoothing: f64,
}

/// No label is left out of the loss.
const NO_LABEL: u32 = u32::MAX;

impl Objective<WordClassifier, Batch> for LabelLoss<'_> {
    fn loss(&self, classifier: &WordClassifier, batch: &Batch, device: &Device) -> LossSum {
        let ModelSettings { penalty, word_dropout, ratio_dropout, .. } = *self.model;
        let batch = batch.with_dropout(word_dropout, ratio_dropout, random::next_seed());
        let classified = classifier.forward(&batch, device);
        let LossSum { sum, tokens } =
            cross_entropy(classified.logits, &batch.labels, self.label_smoothing, NO_LABEL);
        let sum = match classified.penalty.filter(|_| penalty > 0.0) {
            Some(overlap) => sum + overlap.sum() * penalty,
            None => sum,
        };
        LossSum { sum, tokens }
    }

    fn validation_loss(
        &self,
        classifier: &WordClassifier,
        batch: &Batch,
        device: &Device,
    ) -> LossSum {
        let classified = classifier.forward(batch, device);
        cross_entropy(classified.logits, &batch.labels, 0.0, NO_LABEL)
    }
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
    /// Share of right predictions on the validation sentences.
    pub(super) accuracy: f64,
}

impl Training<'_> {
    /// Finds out how many passes are best for the sentences to validate with, `examples.others`.
    /// `None` if it was stopped.
    pub(super) fn validate(&self, examples: &Examples) -> Result<Option<Best>, TrainError> {
        let mut best: Option<Best> = None;
        let done = self.epochs(examples, self.settings.max_epochs, |epochs, model| {
            let predictions = predict(model, &examples.others, self.device);
            let losses = predictions.iter().zip(&examples.others).map(|(v, e)| v.loss(e.praise));
            let loss = losses.sum::<f64>() / examples.others.len() as f64;
            if best.is_none_or(|best| loss < best.loss) {
                best =
                    Some(Best { epochs, loss, accuracy: accuracy(&predictions, &examples.others) });
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
    ) -> Result<Option<WordClassifier>, TrainError> {
        Ok(self.epochs(examples, epochs, |_, _| true)?.map(|classifier| classifier.valid()))
    }

    /// Up to `epochs` passes, as long as `after` each one says so.
    fn epochs(
        &self,
        examples: &Examples,
        epochs: usize,
        mut after: impl FnMut(usize, &WordClassifier) -> bool,
    ) -> Result<Option<WordClassifier>, TrainError> {
        let TrainingSettings { rate, weight_decay, batch, label_smoothing, .. } = *self.settings;
        let config = TrainerConfig {
            seed: self.seed,
            schedule: Schedule::Constant { peak: rate, warmup: WARMUP },
            adamw: AdamWConfig { weight_decay, ..AdamWConfig::default() },
            ..TrainerConfig::default()
        };
        let objective = LabelLoss { model: self.model, label_smoothing };
        let classifier =
            self.model.init(examples.vocab, self.seed, &self.device.clone().autodiff());
        let mut trainer = Trainer::new(config, classifier, objective, self.device)?
            .with_progress(Progress::Hidden);
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

/// What a model predicts of sentences, in their order.
pub(super) fn predict(
    model: &WordClassifier,
    examples: &[Example],
    device: &Device,
) -> Vec<Prediction> {
    let mut predictions: Vec<Option<Prediction>> = vec![None; examples.len()];
    for rows in plan(examples, PREDICTED, None, 0) {
        let batch = Batch::new(rows.iter().map(|&row| &examples[row]));
        let classified = model.forward(&batch, device);
        let praise = softmax(classified.logits, 1).slice_dim(1, 1..2).into_data();
        let weights = classified.weights.map(|weights| {
            let [_, _, s] = weights.dims();
            let weights: Vec<f32> = weights.mean_dim(1).into_data().iter::<f32>().collect();
            (weights, s)
        });
        for (place, (&row, praise)) in rows.iter().zip(praise.iter::<f64>()).enumerate() {
            let of_words = |(weights, s): &(Vec<f32>, usize)| {
                weights[place * s..][..batch.lengths[place]].to_vec()
            };
            predictions[row] = Some(Prediction { praise, weights: weights.as_ref().map(of_words) });
        }
    }
    predictions.into_iter().flatten().collect()
}
