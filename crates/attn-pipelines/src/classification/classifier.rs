//! A trained classifier of sentences.

use std::path::{Path, PathBuf};

use attn_train::{
    AdamWConfig, BatchSource, Checkpoint, Progress, Schedule, StopReason, StopSignal, Trainer,
    TrainerConfig,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, plan};
use super::features::{Corpus, Example, Examples, Lexicon};
use super::model::WordClassifier;
use super::parts::Parts;
use super::settings::SettingsError;
use super::training::{LabelLoss, Prediction, WARMUP, predict};
use super::{ModelSettings, Review, Settings};
use crate::{Error, RunDir, run_record, settings_file};

/// A trained model with what it knows of words: sentences in, praise or complaint out.
///
/// ```no_run
/// use attn_pipelines::{Classifier, DeviceName};
///
/// let classifier = Classifier::load("runs/sentiment/classifier", &DeviceName::Auto.open()?)?;
/// for prediction in classifier.classify(&["The soup was not very good."]) {
///     println!("{:.2}", prediction.praise);
/// }
/// # Ok::<(), attn_pipelines::Error>(())
/// ```
#[derive(Debug)]
pub struct Classifier {
    model: WordClassifier,
    lexicon: Lexicon,
    device: Device,
}

/// What is kept of a classifier's settings.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifierRecord {
    model: ModelSettings,
}

impl Classifier {
    /// Trains one model on sentences, of which a tenth chooses the best pass, and keeps it in the
    /// folder that `folder` gives; the classifier and its folder. `None` if it was stopped.
    ///
    /// # Errors
    ///
    /// Fails if a loss becomes NaN or infinite, or a file cannot be written.
    pub fn train(
        reviews: &[Review],
        model: &ModelSettings,
        settings: &Settings,
        seed: u64,
        device: &Device,
        stop: StopSignal,
        folder: impl FnOnce() -> Result<RunDir, Error>,
    ) -> Result<Option<(Self, PathBuf)>, Error> {
        let Settings { max_words, min_count, training, .. } = settings;
        let corpus = Corpus::new(reviews, *max_words);
        let Parts { train, valid, test } = Parts::draw(reviews.len(), 0, seed);
        let learning = [train, test].concat(); // nothing is left to test
        let examples = Examples::new(&corpus, &learning, &valid, *min_count, training.folds);
        let lexicon = Lexicon::new(&corpus, &learning, *min_count, *max_words);
        let run = folder()?.fill(|run| {
            settings_file::save(&lexicon, &run.words())?;
            Ok(settings_file::save(&ClassifierRecord { model: model.clone() }, &run.settings())?)
        })?;

        let source = |examples, seed| Sentences { examples, rows: training.batch, seed };
        let mut train = source(examples.learning, Some(seed));
        let mut valid = source(examples.others, None);
        let steps = train.batches(0);
        let config = TrainerConfig {
            seed,
            max_steps: None,
            max_epochs: Some(training.max_epochs),
            schedule: Schedule::Constant { peak: training.rate, warmup: WARMUP },
            adamw: AdamWConfig { weight_decay: training.weight_decay, ..AdamWConfig::default() },
            eval_every: steps,
            patience: Some(training.patience),
            log_every: steps,
            keep_last: 1,
            ..TrainerConfig::default()
        };
        let network = model.init(lexicon.vocab(), seed, &device.clone().autodiff());
        let objective = LabelLoss { model, label_smoothing: training.label_smoothing };
        let failed = |source| Error::TrainModel { model: model.name.clone(), source };
        let trainer = Trainer::new(config, network, objective, device).map_err(failed)?;
        let record = run_record::of_run(model, &[("the words", run.words())])?;
        let trainer = trainer.with_stop(stop).with_progress(Progress::Hidden).with_record(record);
        let mut trainer = trainer.save_to(run.path()).map_err(failed)?;
        let outcome = trainer.fit(&mut train, &mut valid).map_err(failed)?;
        if outcome.reason == StopReason::Interrupted {
            return Ok(None);
        }
        let classifier = Self::load(run.path(), device)?;
        Ok(Some((classifier, run.path().to_owned())))
    }

    /// The best model of a training.
    ///
    /// # Errors
    ///
    /// Fails if a file is missing, damaged or of another model.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let run = RunDir::open(folder.as_ref())?;
        let ClassifierRecord { model } = settings_file::load(&run.settings())?;
        let name = model.name.clone();
        model.validate().map_err(|source| SettingsError::Model { name, source })?;
        let lexicon: Lexicon = settings_file::load(&run.words())?;
        let checkpoint = Checkpoint::best(run.path())?;
        checkpoint.check(&run_record::of_run(&model, &[("the words", run.words())])?)?;
        let model = checkpoint.load_model(model.init(lexicon.vocab(), 0, device))?;
        Ok(Self { model, lexicon, device: device.clone() })
    }

    /// What the model says of sentences, in their order. A sentence without a word says nothing: of
    /// it the probability is one half.
    pub fn classify<S: AsRef<str>>(&self, sentences: &[S]) -> Vec<Prediction> {
        let examples: Vec<Example> =
            sentences.iter().map(|sentence| self.lexicon.example(sentence.as_ref())).collect();
        let (rows, filled): (Vec<usize>, Vec<Example>) =
            examples.into_iter().enumerate().filter(|(_, e)| !e.tokens.is_empty()).unzip();
        let mut predictions = vec![Prediction { praise: 0.5, weights: None }; sentences.len()];
        for (row, prediction) in rows.into_iter().zip(predict(&self.model, &filled, &self.device)) {
            predictions[row] = prediction;
        }
        predictions
    }
}

/// Sentences as a source of batches.
struct Sentences {
    examples: Vec<Example>,
    /// Sentences of a batch.
    rows: usize,
    /// In another order in every epoch; without a seed, always by length.
    seed: Option<u64>,
}

impl BatchSource for Sentences {
    type Batch = Batch;

    fn batches(&mut self, epoch: u64) -> usize {
        plan(&self.examples, self.rows, self.seed, epoch).len()
    }

    fn batch(&mut self, epoch: u64, index: usize) -> Batch {
        let rows = &plan(&self.examples, self.rows, self.seed, epoch)[index];
        Batch::new(rows.iter().map(|&row| &self.examples[row]))
    }
}
