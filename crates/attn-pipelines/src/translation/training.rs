//! A run: from text to the best model.

use std::path::PathBuf;

use attn_train::batch::{PairBatch, TokenPair};
use attn_train::{
    BatchSource, Objective, Outcome, PairSource, Progress, SequenceLoss, StopSignal, Trainer,
    TrainerConfig,
};
use burn::module::Module;
use burn::tensor::Device;

use super::corpus::{Corpus, CorpusRecord, Texts};
use super::vocabulary::{EncodeError, refuse_overlong};
use super::{Architecture, Settings, Vocabulary, record};
use crate::{Error, RunDir, parameters};

/// Everything that a training needs, read and checked.
#[derive(Debug)]
pub struct Training<C> {
    /// Where it is kept.
    pub run: RunDir,
    /// What it trains on.
    pub corpus: Corpus,
    /// Its pairs.
    pub texts: Texts,
    settings: Settings<C>,
    train: PairSource,
    valid: PairSource,
}

impl<C: Architecture> Training<C> {
    /// Prepares a new run, and writes its settings and vocabulary into the folder that `folder`
    /// gives.
    ///
    /// # Errors
    ///
    /// Fails if anything that was given is wrong, or `stop` is given while the vocabulary is learned. The
    /// folder is asked for last, so that nothing is left behind then.
    pub fn begin(
        mut settings: Settings<C>,
        corpus: Corpus,
        stop: &StopSignal,
        folder: impl FnOnce() -> Result<RunDir, Error>,
    ) -> Result<Self, Error> {
        settings.validate()?;
        let texts = corpus.read()?;
        let files = corpus.files();
        for (pairs, file) in [&texts.train, &texts.valid].into_iter().zip(&files) {
            refuse_overlong(&settings, pairs, file)?;
        }
        let vocabulary = Vocabulary::train(&settings, &texts.train, stop)?;
        settings.model.set_vocabularies(vocabulary.sizes());
        settings.validate()?;
        let (train, valid) = sources(&settings, &corpus, &texts, &vocabulary)?;

        let run = folder()?.fill(|run| {
            vocabulary.save(run)?;
            CorpusRecord::new(corpus.clone(), &texts).save(&run.data())?;
            // The last one, because it is what makes the folder a run.
            Ok(settings.save(&run.settings())?)
        })?;
        Ok(Self { run, corpus, texts, settings, train, valid })
    }

    /// Prepares to go on with a run, with its text where it was, or where it has been `moved` to.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing or damaged, or its text is not what it was.
    pub fn resume(run: RunDir, moved: Option<Corpus>) -> Result<Self, Error> {
        let settings = Settings::<C>::load(&run.settings())?;
        let mut record = CorpusRecord::load(&run.data())?;
        let moved = moved.filter(|corpus| *corpus != record.corpus);
        let is_moved = moved.is_some();
        record.corpus = moved.unwrap_or(record.corpus);
        let texts = record.corpus.read()?;
        record.check(&texts)?;
        if is_moved {
            record.save(&run.data())?;
        }
        let vocabulary = Vocabulary::load(&run)?;
        vocabulary.check(&settings.model)?;
        let (train, valid) = sources(&settings, &record.corpus, &texts, &vocabulary)?;
        Ok(Self { run, corpus: record.corpus, texts, settings, train, valid })
    }

    /// Number of the model's parameters.
    pub fn parameters(&self, device: &Device) -> usize {
        // Counted by shape: nothing is drawn for it.
        self.settings.model.init(device).num_params()
    }

    /// What is about to be done, for people.
    pub fn summary(&mut self, device: &Device) -> String {
        let model = &self.settings.model;
        let [source, target] = model.vocabularies();
        format!(
            "{} pairs to train on in {} batches, {} to validate with; vocabularies of {} and {} \
             tokens; {} parameters",
            self.texts.train.len(),
            self.train.batches(0),
            self.texts.valid.len(),
            source,
            target,
            self.parameters(device)
        )
    }

    /// Trains until there is a reason to end, the time among them; goes on from the last checkpoint
    /// if there is one.
    ///
    /// # Errors
    ///
    /// Fails if a number becomes NaN or infinite, or a file cannot be written or read.
    pub fn fit(
        &mut self,
        device: &Device,
        stop: StopSignal,
        progress: Progress,
        max_minutes: Option<f64>,
    ) -> Result<Outcome, Error>
    where
        SequenceLoss: Objective<C::Model, PairBatch>,
    {
        let training = self.settings.training.clone();
        let max_minutes = max_minutes.or(training.max_minutes);
        let config = TrainerConfig { max_minutes, ..training };
        let model = initialize(&self.settings, &device.clone().autodiff());
        let objective = config.sequence_loss();
        let trainer =
            Trainer::new(config, model, objective, device)?.with_stop(stop).with_progress(progress);
        let trainer = trainer.with_record(record::of_run(&self.settings, &self.run)?);
        let mut trainer = trainer.continue_in(self.run.path())?;
        Ok(trainer.fit(&mut self.train, &mut self.valid)?)
    }
}

/// The pairs of a corpus as batches.
fn sources<C>(
    settings: &Settings<C>,
    corpus: &Corpus,
    texts: &Texts,
    vocabulary: &Vocabulary,
) -> Result<(PairSource, PairSource), EncodeError> {
    let [train, valid] = corpus.files();
    let source = |pairs: Vec<TokenPair>, plan, path: PathBuf| {
        PairSource::new(pairs, plan).map_err(|source| EncodeError::Batch { path, source })
    };
    Ok((
        source(
            vocabulary.encode(&texts.train, settings, &train)?,
            settings.training.train_plan(),
            train,
        )?,
        source(
            vocabulary.encode(&texts.valid, settings, &valid)?,
            settings.training.valid_plan(),
            valid,
        )?,
    ))
}

/// A model with parameters that follow from the seed.
fn initialize<C: Architecture>(settings: &Settings<C>, device: &Device) -> C::Model {
    device.seed(settings.training.seed);
    let model = settings.model.init(device);
    parameters::draw(&model);
    model
}
