//! All models on the same splits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use attn_core::random::combine;
use attn_train::StopSignal;
use burn::tensor::Device;

use super::features::{Corpus, Examples};
use super::page::{Judgement, Shown};
use super::training::{Training, accuracy, ask};
use super::{Error, Parts, Review, Settings};

/// The names of the baselines in the table: of words, and of words and their pairs.
const NAIVE_BAYES: [&str; 2] = ["naive Bayes", "naive Bayes, words and pairs"];
/// Test sentences of a split that are shown.
const SHOWN: usize = 60;

/// What became of all models on one split.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) split: usize,
    pub(super) results: Vec<ModelResult>,
    pub(super) shown: Shown,
}

/// What became of a model on one split.
#[derive(Debug, Clone)]
pub(super) struct ModelResult {
    pub(super) name: String,
    /// Share of right verdicts on the test sentences.
    pub(super) test: f64,
    /// On the validation sentences, at the best epoch.
    pub(super) valid: Option<f64>,
    pub(super) epochs: Option<usize>,
    pub(super) seconds: f64,
}

/// Sentences, and what is trained on them.
pub(super) struct Contest<'a> {
    reviews: &'a [Review],
    corpus: Corpus,
    settings: &'a Settings,
    seed: u64,
    device: &'a Device,
}

impl<'a> Contest<'a> {
    pub(super) fn new(
        reviews: &'a [Review],
        settings: &'a Settings,
        seed: u64,
        device: &'a Device,
    ) -> Self {
        let corpus = Corpus::new(reviews, settings.max_words);
        Self { reviews, corpus, settings, seed, device }
    }

    /// The outcomes of so many splits, in their order; only of those that were done when `stop` was
    /// given. Splits run side by side, one a core: a model of this size gains little from a second.
    pub(super) fn run(
        &self,
        splits: usize,
        stop: &StopSignal,
        mut say: impl FnMut(&str),
    ) -> Result<Vec<Outcome>, Error> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let (next, failed) = (AtomicUsize::new(0), StopSignal::new());
        let (sender, receiver) = mpsc::channel();
        let work = |sender: mpsc::Sender<_>| {
            loop {
                let split = next.fetch_add(1, Ordering::Relaxed);
                if split >= splits {
                    break;
                }
                let outcome = self.split(split, [stop, &failed]);
                let last = !matches!(outcome, Ok(Some(_)));
                // Whoever receives is there until all senders are gone.
                let _ = sender.send(outcome);
                if last {
                    break;
                }
            }
        };
        let mut outcomes = Vec::new();
        let mut error = None;
        thread::scope(|scope| {
            for _ in 0..cores.min(splits) {
                let sender = sender.clone();
                scope.spawn(|| work(sender));
            }
            drop(sender);
            for outcome in receiver {
                match outcome {
                    Ok(Some(outcome)) => {
                        say(&line(&outcome, splits));
                        outcomes.push(outcome);
                    }
                    Ok(None) => {}
                    Err(found) => {
                        failed.stop();
                        error.get_or_insert(found);
                    }
                }
            }
        });
        outcomes.sort_by_key(|outcome| outcome.split);
        error.map_or(Ok(outcomes), Err)
    }

    /// One split; `None` if it was stopped.
    fn split(&self, split: usize, stops: [&StopSignal; 2]) -> Result<Option<Outcome>, Error> {
        let Settings { min_count, training, models, .. } = self.settings;
        let parts = Parts::draw(self.reviews.len(), split, self.seed);
        let examples = |learning: &[usize], others: &[usize]| {
            Examples::new(&self.corpus, learning, others, *min_count, training.folds)
        };
        let mut results = self.naive_bayes(&parts).to_vec();
        let validation = examples(&parts.train, &parts.valid);
        let test = examples(&parts.learning(), &parts.test);
        let mut judgements = Vec::new();
        for model in models {
            let started = Instant::now();
            let seed = combine(self.seed, split as u64);
            let training = Training { settings: training, model, seed, device: self.device, stops };
            let failed = |source| Error::Train { model: model.name.clone(), source };
            let Some(best) = training.validate(&validation).map_err(failed)? else {
                return Ok(None);
            };
            // Once more with the validation sentences, now that it is known how long.
            let Some(judge) = training.train(&test, best.epochs).map_err(failed)? else {
                return Ok(None);
            };
            let verdicts = ask(&judge, &test.others, self.device);
            results.push(ModelResult {
                name: model.name.clone(),
                test: accuracy(&verdicts, &test.others),
                valid: Some(best.accuracy),
                epochs: Some(best.epochs),
                seconds: started.elapsed().as_secs_f64(),
            });
            let shown = verdicts.into_iter().take(SHOWN);
            judgements.push(Judgement { model: model.name.clone(), verdicts: shown.collect() });
        }
        let reviews = parts.test.iter().take(SHOWN).map(|&i| self.reviews[i].clone()).collect();
        let shown = Shown { split: split + 1, reviews, judgements };
        Ok(Some(Outcome { split, results, shown }))
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

/// One outcome for people.
fn line(outcome: &Outcome, splits: usize) -> String {
    let shares = outcome.results.iter().map(|result| {
        let epochs = result.epochs.map_or(String::new(), |epochs| format!(" ({epochs} epochs)"));
        format!("{} {:.1}{epochs}", result.name, 100.0 * result.test)
    });
    let shares: Vec<String> = shares.collect();
    format!("split {} of {splits}: {}", outcome.split + 1, shares.join(", "))
}
