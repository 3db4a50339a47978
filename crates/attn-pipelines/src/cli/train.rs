//! A run, as the command line says.

use std::path::{Path, PathBuf};

use attn_train::batch::Overlong;
use attn_train::tokenizer::TokenizerKind;
use attn_train::{Outcome, StopReason, StopSignal};

use burn::tensor::Device;

use super::{Console, PairArgs, TokenizerName};
use crate::translation::{Architecture, Corpus, Settings, Training, VOCAB, report};
use crate::{Error, IoError, RunDir, Translator};

/// Pairs of the built-in task: training hardly ever sees one twice.
const DATES: (usize, usize) = (100_000, 1000);

impl PairArgs {
    /// Whether to train on the built-in dates, since no file is given.
    pub fn built_in(&self) -> bool {
        self.data.train.is_none() && self.data.source.is_none()
    }

    /// The run in `--out`: gone on with, if that is asked for; else begun with `settings`, changed by
    /// `--config` and then by the other flags. Without `--out` it is in `folder`, or in `folder-2` and
    /// so on.
    ///
    /// # Errors
    ///
    /// Fails if anything given is wrong, or `stop` is given meanwhile; then nothing is left behind.
    pub fn training<C: Architecture>(
        &self,
        settings: Settings<C>,
        folder: &str,
        stop: &StopSignal,
    ) -> Result<Training<C>, Error> {
        self.translating.check()?; // before the work
        let out = self.training.out.as_deref();
        if let (Some(out), true) = (out, self.training.resume) {
            let moved = if self.built_in() { None } else { Some(self.corpus(0)?) };
            return Training::resume(RunDir::resume(out)?, moved);
        }
        if let Some(out) = out {
            RunDir::check_free(out)?; // before the work
        }
        let settings = self.settings(settings)?;
        let corpus = self.corpus(settings.training.seed)?;
        Training::begin(settings, corpus, stop, || Ok(RunDir::create_or_number(out, folder)?))
    }

    /// What a training has come to: how well its best model does the built-in task, or translates the
    /// validation sentences, and how to translate with it.
    ///
    /// # Errors
    ///
    /// Fails if the results cannot be written, or the program is stopped.
    pub fn report<C: Architecture>(
        &self,
        training: &Training<C>,
        program: &str,
        device: &Device,
        console: &mut Console,
    ) -> Result<(), Error> {
        let folder = training.run.path();
        let translator = Translator::load(folder, device)?.with_stop(console.stop.clone());
        match &training.corpus {
            Corpus::Dates { seed, .. } => {
                console.print(&report::dates(&translator, &training.run, *seed)?)?;
            }
            files => {
                let (valid, beam) = (&training.texts.valid, self.translating.beam(&translator));
                console.say(&format!("translating {} validation sentences", valid.len()));
                let outputs = translator.translate_pairs(valid, &files.files()[1], &beam)?;
                let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
                console.print(&report::scores(&texts, valid))?;
            }
        }
        console.say(&format!(
            "translate with: cargo run --release --example {program} -- --model {} \"...\"",
            folder.display()
        ));
        Ok(())
    }

    /// The settings, changed by the config file, changed by the command line.
    fn settings<C: Architecture>(&self, mut settings: Settings<C>) -> Result<Settings<C>, Error> {
        if let Some(path) = &self.training.config {
            settings = settings.overlaid_with(path)?;
        }
        settings.tokenizer = self.tokenizer(settings.tokenizer);
        if self.data.truncate {
            settings.overlong = Overlong::Truncate;
        }
        if let Some(seed) = self.training.seed {
            settings.training.seed = seed;
        }
        Ok(settings)
    }

    /// What the command line says to train on.
    fn corpus(&self, seed: u64) -> Result<Corpus, Error> {
        // Absolute, so that a run can be resumed from another folder.
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).map_err(|source| IoError {
                what: format!("cannot find {}", path.display()),
                source,
            })
        };
        let data = &self.data;
        if let (Some(train), Some(valid)) = (&data.train, &data.valid) {
            return Ok(Corpus::Pairs { train: absolute(train)?, valid: absolute(valid)? });
        }
        match (&data.source, &data.target, &data.valid_source, &data.valid_target) {
            (Some(source), Some(target), Some(valid_source), Some(valid_target)) => {
                Ok(Corpus::Parallel {
                    source: absolute(source)?,
                    target: absolute(target)?,
                    valid_source: absolute(valid_source)?,
                    valid_target: absolute(valid_target)?,
                })
            }
            // The command line has been checked: here none of the files is given.
            _ => Ok(Corpus::Dates { train: DATES.0, valid: DATES.1, seed }),
        }
    }

    fn tokenizer(&self, preset: TokenizerKind) -> TokenizerKind {
        let (name, size) = match preset {
            TokenizerKind::Characters => (TokenizerName::Characters, VOCAB),
            TokenizerKind::FrequentCharacters { vocab_size } => {
                (TokenizerName::Characters, vocab_size)
            }
            TokenizerKind::Words { vocab_size } => (TokenizerName::Words, vocab_size),
            TokenizerKind::Bpe { vocab_size } => (TokenizerName::Bpe, vocab_size),
        };
        if (self.data.tokenizer, self.data.vocab) == (None, None) {
            return preset;
        }
        let vocab_size = self.data.vocab.unwrap_or(size);
        match self.data.tokenizer.unwrap_or(name) {
            TokenizerName::Characters => TokenizerKind::FrequentCharacters { vocab_size },
            TokenizerName::Words => TokenizerKind::Words { vocab_size },
            TokenizerName::Bpe => TokenizerKind::Bpe { vocab_size },
        }
    }
}

/// Why a training ended, its best loss, and, if there is more to do, how to go on with it.
pub fn outcome(outcome: &Outcome, program: &str, folder: &Path) -> String {
    let reason = match outcome.reason {
        StopReason::MaxSteps | StopReason::MaxEpochs => "trained to the end",
        StopReason::NoImprovement => "the validation loss improves no more",
        StopReason::TimeLimit => "the time is up",
        StopReason::Interrupted => "stopped",
    };
    let mut text = format!("{reason}: step {}", outcome.step);
    if let Some(best) = outcome.best {
        text += &format!("; best validation loss {:.4} at step {}", best.loss, best.step);
    }
    if matches!(outcome.reason, StopReason::TimeLimit | StopReason::Interrupted) {
        text += "\n";
        text += &go_on(program, folder);
    }
    text
}

/// The command that goes on with a run.
pub fn go_on(program: &str, folder: &Path) -> String {
    format!(
        "go on with: cargo run --release --example {program} -- --resume --out {}",
        folder.display()
    )
}
