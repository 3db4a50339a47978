//! What a program takes on its command line that learns from pairs of sentences.

use std::path::PathBuf;

use attn_generate::{BeamConfig, GenerateError, Limits};
use attn_train::tokenizer::EOS;
use clap::{Args as Group, ValueEnum};

use super::numbers;
use crate::DeviceName;
use crate::translation::Translator;

/// What every program takes that learns from pairs of sentences.
#[derive(Debug, Group)]
pub struct PairArgs {
    /// Sentences to translate with --model; without any, the lines of standard input.
    #[arg(requires = "model")]
    pub text: Vec<String>,

    /// What to train on.
    #[command(flatten)]
    pub data: DataArgs,

    /// How to train.
    #[command(flatten)]
    pub training: TrainingArgs,

    /// How to translate.
    #[command(flatten)]
    pub translating: TranslatingArgs,

    /// Where to compute: one of the backends that were compiled in by `--features`.
    #[arg(long, value_name = "NAME", default_value_t, help_heading = RUNNING)]
    pub device: DeviceName,

    /// Say nothing but results, warnings and errors.
    #[arg(long, short, help_heading = RUNNING)]
    pub quiet: bool,
}

const RUNNING: &str = "Running";

/// What to train on.
#[derive(Debug, Group)]
#[command(next_help_heading = "Text to train on")]
pub struct DataArgs {
    /// Training pairs, one a line: source, tab, target.
    #[arg(
        long, value_name = "FILE", requires_all = ["valid", "out"],
        conflicts_with_all = ["source", "target", "model"]
    )]
    pub train: Option<PathBuf>,

    /// Validation pairs in the same form; they choose the best model and when to stop.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub valid: Option<PathBuf>,

    /// Training sentences, one a line; with --target instead of --train.
    #[arg(
        long, value_name = "FILE", requires_all = ["target", "valid_source", "out"],
        conflicts_with = "model"
    )]
    pub source: Option<PathBuf>,

    /// Their translations, line by line.
    #[arg(long, value_name = "FILE", requires = "source")]
    pub target: Option<PathBuf>,

    /// Validation sentences; with --valid-target instead of --valid.
    #[arg(long, value_name = "FILE", requires_all = ["valid_target", "source"])]
    pub valid_source: Option<PathBuf>,

    /// Their translations, line by line.
    #[arg(long, value_name = "FILE", requires = "valid_source")]
    pub valid_target: Option<PathBuf>,

    /// Cut sentences that are longer than the model takes; without this they are an error.
    #[arg(long)]
    pub truncate: bool,

    /// What a token is; each language gets its own vocabulary. [default: bpe]
    #[arg(long, value_name = "KIND", conflicts_with = "model")]
    pub tokenizer: Option<TokenizerName>,

    /// Most entries of a vocabulary: the commonest are kept. [default: 4000]
    #[arg(long, value_name = "N", conflicts_with = "model", value_parser = numbers::vocabulary)]
    pub vocab: Option<usize>,
}

/// How to train.
#[derive(Debug, Group)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Folder of the run: configuration, tokenizers, metrics, checkpoints and best model. It must
    /// not hold a run already, except with --resume. [default: runs/dates, for the built-in task]
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    pub out: Option<PathBuf>,

    /// JSON with settings that differ from the defaults; the full set, as every run writes it, is
    /// in its `config.json`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "resume"])]
    pub config: Option<PathBuf>,

    /// Fixes the first weights, the order of the data, the dropout, and the built-in data.
    /// [default: 1]
    #[arg(long, value_name = "N", conflicts_with_all = ["model", "resume"])]
    pub seed: Option<u64>,

    /// Stop after so many minutes of training and keep the best model.
    #[arg(long, value_name = "MINUTES", conflicts_with = "model", value_parser = numbers::minutes)]
    pub max_minutes: Option<f64>,

    /// Go on with the run in --out from its last checkpoint, with the data in the same order. Data
    /// that has been moved is named again by --train and --valid, or --source and the others.
    #[arg(
        long, requires = "out",
        conflicts_with_all = ["tokenizer", "vocab", "truncate", "model"]
    )]
    pub resume: bool,
}

/// How to translate.
#[derive(Debug, Group)]
#[command(next_help_heading = "Translating")]
pub struct TranslatingArgs {
    /// Folder of a finished run, to translate with.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,

    /// Translations that beam search follows at a time; 1 is greedy search.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = numbers::beams)]
    pub beams: usize,

    /// Power of the length that scores are divided by: the higher, the longer the translations.
    #[arg(long, value_name = "ALPHA", default_value_t = 0.6)]
    pub length_penalty: f64,

    /// Print the N best translations of a sentence, each with its score.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "model",
        conflicts_with = "test"
    )]
    pub n_best: usize,

    /// Draw how the translation attends to the sentence, for the first sentence given.
    #[arg(long, value_name = "SVG", requires = "model", conflicts_with = "test")]
    pub picture: Option<PathBuf>,

    /// Translate the sources of these pairs and print BLEU and chrF against the targets, of all and
    /// by the length of the source.
    #[arg(long, value_name = "FILE", requires = "model", conflicts_with = "text")]
    pub test: Option<PathBuf>,

    /// Wait for N lines of standard input and translate them together; without it, what is there is
    /// translated whenever the input pauses.
    #[arg(long, value_name = "N", requires = "model", conflicts_with_all = ["test", "text"],
        value_parser = numbers::window)]
    pub window: Option<usize>,

    /// Write the translations of --test, one a line, as sacrebleu reads them.
    #[arg(long, value_name = "FILE", requires = "test")]
    pub hypotheses: Option<PathBuf>,
}

impl TranslatingArgs {
    /// Refuses a search that makes no sense.
    ///
    /// # Errors
    ///
    /// Names the value.
    pub fn check(&self) -> Result<(), GenerateError> {
        let Self { beams, n_best, length_penalty, .. } = *self;
        let limits = Limits::new(EOS, 1);
        BeamConfig { beams, n_best, length_penalty, ..BeamConfig::new(limits) }.validate()
    }

    /// The beam search that was asked for.
    pub fn beam(&self, translator: &Translator) -> BeamConfig {
        let Self { beams, n_best, length_penalty, .. } = *self;
        BeamConfig { beams, n_best, length_penalty, ..translator.beam() }
    }
}

/// The tokenizers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenizerName {
    /// Byte pairs, merged from the commonest up: any text can be written with them.
    Bpe,
    /// Whole words; others become `<unk>`.
    Words,
    /// Single characters.
    Characters,
}
