//! The command line of `pronounce`.

use std::path::PathBuf;

use attn_generate::{BeamConfig, GenerateError, Limits};
use attn_pipelines::DeviceName;
use attn_pipelines::cli::numbers;
use attn_pipelines::translation::{Architecture, Settings, SettingsError};
use attn_train::tokenizer::EOS;
use clap::Parser;

/// Learns to pronounce, from letters to phonemes: by a recurrent encoder–decoder with Bahdanau's
/// attention, and by a Transformer.
///
/// Without --data it learns to read words that it invents, spelled by rules like those of Italian.
#[derive(Debug, Parser)]
#[command(name = "pronounce", after_help = EXAMPLES)]
pub struct Args {
    /// A pronouncing dictionary in the form of CMUdict: a word and its phonemes on each line.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Keep the digits behind the vowels, which say how they are stressed.
    #[arg(long, requires = "data")]
    pub stress: bool,

    /// Train this model alone.
    #[arg(long, value_name = "NAME")]
    pub only: Option<ModelName>,

    /// Folder of the words and of the runs; it must hold nothing yet, except with --resume.
    /// [default: runs/pronounce]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// JSON with settings that differ from the defaults, as `translate` takes it, for both models.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub config: Option<PathBuf>,

    /// Fixes the split, the first weights, the order of the words and the dropout. [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub seed: Option<u64>,

    /// Stop each training after so many minutes and keep its best model.
    #[arg(long, value_name = "MINUTES", value_parser = numbers::minutes)]
    pub max_minutes: Option<f64>,

    /// Go on with what is in --out: the words, the settings and the runs.
    #[arg(long, requires = "out", conflicts_with_all = ["data", "stress"])]
    pub resume: bool,

    /// Pronunciations that beam search follows at a time; 1 is greedy search.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = numbers::beams)]
    pub beams: usize,

    /// Where to compute: one of the backends that were compiled in by `--features`.
    #[arg(long, value_name = "NAME", default_value_t)]
    pub device: DeviceName,

    /// Say nothing but results, warnings and errors.
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    /// Whether this model is to be trained.
    pub fn wants(&self, model: ModelName) -> bool {
        self.only.is_none_or(|only| only == model)
    }

    /// Settings of a model, changed by the config file, changed by the command line.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or holds nonsense.
    pub fn settings<C: Architecture>(
        &self,
        mut settings: Settings<C>,
    ) -> Result<Settings<C>, SettingsError> {
        if let Some(path) = &self.config {
            settings = settings.overlaid_with(path)?;
        }
        settings.training.seed = self.seed.unwrap_or(1);
        settings.validate()?;
        Ok(settings)
    }

    /// Refuses a search that makes no sense.
    ///
    /// # Errors
    ///
    /// Names the value.
    pub fn check(&self) -> Result<(), GenerateError> {
        BeamConfig { beams: self.beams, ..BeamConfig::new(Limits::new(EOS, 1)) }.validate()
    }
}

/// The models by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ModelName {
    /// A GRU encoder–decoder with the attention of Bahdanau et al. (2015).
    Recurrent,
    /// The Transformer of Vaswani et al. (2017).
    Transformer,
}

const EXAMPLES: &str = "\
Examples:
  pronounce
  pronounce --data cmudict.dict
  pronounce --data cmudict.dict --only transformer --max-minutes 5 --out runs/cmu
  pronounce --resume --out runs/cmu
  translate --model runs/cmu/transformer \"t e n s o r\"

Exit status: 0 done, 1 training went wrong or the disk is full, 2 something given was wrong,
130 stopped by Ctrl-C.";
