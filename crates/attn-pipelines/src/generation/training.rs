//! A run on one text: from the text to the best model.

use attn_train::batch::Blocks;
use attn_train::tokenizer::Tokenizer;
use attn_train::{BatchSource, BlockSource, Outcome, Progress, StopSignal, Trainer};
use burn::module::Module;
use burn::tensor::Device;

use super::TextSettings;
use crate::translation::EncodeError;
use crate::{Error, RunDir, parameters, run_record, settings_file};

/// One part in so many of a text, its end, is kept to validate with.
const VALID_SHARE: usize = 20;

/// Everything that a training on one text needs, read and checked.
#[derive(Debug)]
pub struct TextTraining {
    /// Where it is kept.
    pub run: RunDir,
    settings: TextSettings,
    train: BlockSource,
    valid: BlockSource,
}

impl TextTraining {
    /// Prepares a new run, and writes its settings and vocabulary into the folder that `folder`
    /// gives. The last twentieth of the text chooses the best model.
    ///
    /// # Errors
    ///
    /// Fails if anything that was given is wrong, or `stop` is given. The folder is asked for last, so that nothing is
    /// left behind then.
    pub fn begin(
        mut settings: TextSettings,
        text: &str,
        stop: &StopSignal,
        folder: impl FnOnce() -> Result<RunDir, Error>,
    ) -> Result<Self, Error> {
        settings.validate()?;
        let tokenizer = Tokenizer::train_with_stop(settings.tokenizer, [text], stop)?;
        settings.model.vocab = tokenizer.vocab_size();
        settings.validate()?;
        let [train, valid] = sources(&settings, &tokenizer, text)?;

        let run = folder()?;
        let run = run.fill(|run| {
            tokenizer.save(run.tokenizer())?;
            settings_file::save(&settings, &run.settings())?;
            Ok(())
        })?;
        Ok(Self { run, settings, train, valid })
    }

    /// Prepares to go on with a run on the same text.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing or damaged, or the text is too short for a batch. Another
    /// text is refused by [`fit`](Self::fit).
    pub fn resume(run: RunDir, text: &str) -> Result<Self, Error> {
        let settings = TextSettings::load(&run.settings())?;
        let tokenizer = Tokenizer::load(run.tokenizer())?;
        let [train, valid] = sources(&settings, &tokenizer, text)?;
        Ok(Self { run, settings, train, valid })
    }

    /// What is about to be done, for people.
    pub fn summary(&mut self, device: &Device) -> String {
        let TextSettings { context, model, .. } = &self.settings;
        // Counted by shape: nothing is drawn for it.
        let parameters = model.init(device).num_params();
        format!(
            "{} batches of windows of {context} tokens; a vocabulary of {} tokens; {parameters} \
             parameters",
            self.train.batches(0),
            model.vocab,
        )
    }

    /// Trains until there is a reason to end; goes on from the last checkpoint if there is one.
    ///
    /// # Errors
    ///
    /// Fails if a number becomes NaN or infinite, a file cannot be written or read, or the text is
    /// another than that of the run.
    pub fn fit(
        &mut self,
        device: &Device,
        stop: StopSignal,
        progress: Progress,
    ) -> Result<Outcome, Error> {
        let config = self.settings.training.clone();
        let training = device.clone().autodiff();
        training.seed(config.seed);
        let model = self.settings.model.init(&training);
        parameters::draw(&model);
        let objective = config.sequence_loss();
        let trainer = Trainer::new(config, model, objective, device)?;
        let vocabulary = [("the tokenizer", self.run.tokenizer())];
        let record = run_record::of_run(&self.settings.model, &vocabulary)?;
        let trainer = trainer.with_stop(stop).with_progress(progress).with_record(record);
        let mut trainer = trainer.continue_in(self.run.path())?;
        Ok(trainer.fit(&mut self.train, &mut self.valid)?)
    }
}

/// The text as batches, its last twentieth apart.
fn sources(
    settings: &TextSettings,
    tokenizer: &Tokenizer,
    text: &str,
) -> Result<[BlockSource; 2], Error> {
    let TextSettings { context, training, .. } = settings;
    let mut tokens = tokenizer.encode(text)?;
    let valid = tokens.split_off(tokens.len() - tokens.len() / VALID_SHARE);
    let source = |tokens, plan| {
        BlockSource::new(Blocks::new(tokens, *context, *context), plan)
            .map_err(|source| EncodeError::Batch { path: "the text".into(), source })
    };
    Ok([source(tokens, training.train_plan())?, source(valid, training.valid_plan())?])
}
