//! All models on the same splits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use attn_core::random::combine;
use attn_train::StopSignal;
use burn::tensor::Device;

use super::features::{Corpus, Examples};
use super::page::{ModelPredictions, Shown};
use super::training::{Training, accuracy, predict};
use super::{Parts, Review, Settings};
use crate::Error;

/// The names of the baselines in the table: of words, and of words and their pairs.
const NAIVE_BAYES: [&str; 2] = ["naive Bayes", "naive Bayes, words and pairs"];
/// Test sentences of a split that are shown.
const SHOWN: usize = 60;

/// How all models did on one split.
#[derive(Debug, Clone)]
pub struct SplitResult {
    /// Its number, from 0.
    pub split: usize,
    /// One for each model, the baselines first.
    pub results: Vec<ModelResult>,
    /// What the page shows.
    pub(super) shown: Shown,
}

/// How a model did on one split.
#[derive(Debug, Clone)]
pub struct ModelResult {
    /// Its name.
    pub name: String,
    /// Share of right predictions on the test sentences.
    pub test: f64,
    /// On the validation sentences, at the best epoch.
    pub valid: Option<f64>,
    /// Passes of the training; the baselines have none.
    pub epochs: Option<usize>,
    /// Time that it took.
    pub seconds: f64,
}

/// Sentences, and what is trained on them.
#[derive(Debug)]
pub struct Comparison<'a> {
    reviews: &'a [Review],
    corpus: Corpus,
    settings: &'a Settings,
    seed: u64,
    device: &'a Device,
}

impl<'a> Comparison<'a> {
    /// Prepares to train the models of the settings on these sentences.
    pub fn new(
        reviews: &'a [Review],
        settings: &'a Settings,
        seed: u64,
        device: &'a Device,
    ) -> Self {
        let corpus = Corpus::new(reviews, settings.max_words);
        Self { reviews, corpus, settings, seed, device }
    }

    /// The results of so many splits, in their order; only of those that were done when `stop` was
    /// given. Splits run side by side, one a core: a model of this size gains little from a second.
    ///
    /// # Errors
    ///
    /// [`Error::TrainModel`] if a loss becomes NaN or infinite.
    pub fn run(
        &self,
        splits: usize,
        stop: &StopSignal,
        mut say: impl FnMut(&str),
    ) -> Result<Vec<SplitResult>, Error> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let (next, failed) = (AtomicUsize::new(0), StopSignal::new());
        let (sender, receiver) = mpsc::channel();
        let work = |sender: mpsc::Sender<_>| {
            loop {
                let split = next.fetch_add(1, Ordering::Relaxed);
                if split >= splits {
                    break;
                }
                let result = self.split(split, [stop, &failed]);
                let last = !matches!(result, Ok(Some(_)));
                // Whoever receives is there until all senders are gone.
                let _ = sender.send(result);
                if last {
                    break;
                }
            }
        };
        let mut splits_done = Vec::new();
        let mut error = None;
        thread::scope(|scope| {
            for _ in 0..cores.min(splits) {
                let sender = sender.clone();
                scope.spawn(|| work(sender));
            }
            drop(sender);
            for result in receiver {
                match result {
                    Ok(Some(result)) => {
                        say(&line(&result, splits));
                        splits_done.push(result);
                    }
                    Ok(None) => {}
                    Err(found) => {
                        failed.stop();
                        error.get_or_insert(found);
                    }
                }
            }
        });
        splits_done.sort_by_key(|result| result.split);
        error.map_or(Ok(splits_done), Err)
    }

    /// One split; `None` if it was stopped.
    fn split(&self, split: usize, stops: [&StopSignal; 2]) -> Result<Option<SplitResult>, Error> {
        let Settings { min_count, training, models, .. } = self.settings;
        let parts = Parts::draw(self.reviews.len(), split, self.seed);
        let examples = |learning: &[usize], others: &[usize]| {
            Examples::new(&self.corpus, learning, others, *min_count, training.folds)
        };
        let mut results = self.naive_bayes(&parts).to_vec();
        let validation = examples(&parts.train, &parts.valid);
        let test = examples(&parts.learning(), &parts.test);
        let mut predicted = Vec::new();
        for model in models {
            let started = Instant::now();
            let seed = combine(self.seed, split as u64);
            let training = Training { settings: training, model, seed, device: self.device, stops };
            let failed = |source| Error::TrainModel { model: model.name.clone(), source };
            let Some(best) = training.validate(&validation).map_err(failed)? else {
                return Ok(None);
            };
            // Once more with the validation sentences, now that it is known how long.
            let Some(classifier) = training.train(&test, best.epochs).map_err(failed)? else {
                return Ok(None);
            };
            let predictions = predict(&classifier, &test.others, self.device);
            results.push(ModelResult {
                name: model.name.clone(),
                test: accuracy(&predictions, &test.others),
                valid: Some(best.accuracy),
                epochs: Some(best.epochs),
                seconds: started.elapsed().as_secs_f64(),
            });
            let shown = predictions.into_iter().take(SHOWN);
            predicted
                .push(ModelPredictions { model: model.name.clone(), predictions: shown.collect() });
        }
        let reviews = parts.test.iter().take(SHOWN).map(|&i| self.reviews[i].clone()).collect();
        let shown = Shown { split: split + 1, reviews, models: predicted };
        Ok(Some(SplitResult { split, results, shown }))
    }

    fn naive_bayes(&self, parts: &Parts) -> [ModelResult; 2] {
        [false, true].map(|with_pairs| {
            let started = Instant::now();
            let share = |learning: &[usize], others: &[usize]| {
                let right = self.corpus.naive_bayes(learning, others, with_pairs);
                right as f64 / others.len() as f64
            };
            ModelResult {
                name: NAIVE_BAYES[usize::from(with_pairs)].into(),
                test: share(&parts.learning(), &parts.test),
                valid: Some(share(&parts.train, &parts.valid)),
                epochs: None,
                seconds: started.elapsed().as_secs_f64(),
            }
        })
    }
}

/// One result for people.
fn line(result: &SplitResult, splits: usize) -> String {
    let shares = result.results.iter().map(|result| {
        let epochs = result.epochs.map_or(String::new(), |epochs| format!(" ({epochs} epochs)"));
        format!("{} {:.1}{epochs}", result.name, 100.0 * result.test)
    });
    let shares: Vec<String> = shares.collect();
    format!("split {} of {splits}: {}", result.split + 1, shares.join(", "))
}
