//! Trains a recurrent encoder–decoder that attends, and translates with it.
//!
//! ```text
//! cargo run --release --example seq2seq
//! cargo run --release --example seq2seq -- --help
//! ```

use std::process::ExitCode;

use attn_pipelines::cli::{self, Console, Ending, OnSignal, PairArgs};
use attn_pipelines::translation::{
    AttentionName, DATES_LEN, RecurrentPreset, Settings, TEXT_LEN, Training,
};
use attn_pipelines::{Error, Translator};
use attn_rnn::Seq2SeqConfig;
use attn_train::StopReason;
use clap::{Args as Group, Parser};

/// Trains a recurrent encoder–decoder that attends, and translates with it.
///
/// Without arguments it trains on a task that is built in: dates as people write them in seven
/// languages, to ISO 8601.
#[derive(Debug, Parser)]
#[command(name = "seq2seq", after_help = EXAMPLES)]
pub struct Cli {
    /// What it has in common with `translate`.
    #[command(flatten)]
    pub args: PairArgs,

    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// The model of a new run.
#[derive(Debug, Clone, Copy, Group)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// How the decoder attends to the source.
    #[arg(
        long, value_name = "NAME", default_value = "bahdanau",
        conflicts_with_all = ["model", "resume"]
    )]
    pub attention: AttentionName,

    /// Let the attentional vector of a step enter the cell at the next; for Luong's attentions.
    #[arg(long, conflicts_with_all = ["model", "resume"])]
    pub input_feeding: bool,

    /// Features of a state of the decoder, and of an annotation, of which each direction of the
    /// encoder gives half. [default: 512; 128 for the built-in task]
    #[arg(long, value_name = "N", conflicts_with_all = ["model", "resume"], value_parser = width)]
    pub width: Option<usize>,
}

fn width(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        // 3 · 8192² weights of a layer are 3.2 GB in training, with gradients and AdamW's moments.
        Ok(width) if (2..=8192).contains(&width) && width.is_multiple_of(2) => Ok(width),
        _ => {
            Err("not an even number from 2 on, and up to 8192: memory grows with its square".into())
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  seq2seq
  seq2seq --attention luong-local-p --train train.tsv --valid valid.tsv --out runs/en-fr
  seq2seq --resume --out runs/en-fr
  seq2seq --model runs/en-fr \"I am cold.\"
  seq2seq --model runs/en-fr --picture cold.svg \"I am cold.\"
  seq2seq --model runs/en-fr --test test.tsv --hypotheses test.hyp

Exit status: 0 done, 1 training went wrong or the disk is full, 2 something given was wrong,
130 stopped by Ctrl-C.";

fn main() -> ExitCode {
    let Cli { args, model } = Cli::parse();
    // A training is saved when a signal ends the program; of a translation nothing is left to save.
    let on_signal = if args.translating.model.is_some() { OnSignal::End } else { OnSignal::Save };
    cli::main(args.quiet, on_signal, |console| run(&args, model, console))
}

/// Translates with a model, or trains one.
pub fn run(args: &PairArgs, model: ModelArgs, console: &mut Console) -> Result<Ending, Error> {
    let device = args.device.open()?;
    if let Some(run) = &args.translating.model {
        args.check_outputs(run)?; // before the work
        let translator = Translator::load_as::<Seq2SeqConfig>(run, &device)?;
        return args.answer(translator, console).map(|()| Ending::Done);
    }

    // From data and a model to a run: in a new folder, or gone on with.
    let settings = if args.built_in() { dates(model) } else { text(model) };
    let mut training: Training<Seq2SeqConfig> =
        args.training(settings, "runs/seq2seq", &console.stop)?;
    console.say(&training.summary(&device));

    // Training, with checkpoints in the folder.
    let minutes = args.training.max_minutes;
    let outcome = training.fit(&device, console.stop.clone(), console.progress, minutes)?;
    console.say(&cli::outcome(&outcome, "seq2seq", training.run.path()));
    if outcome.reason == StopReason::Interrupted {
        return Ok(Ending::Interrupted);
    }

    // The result: how well the best model does, and how to translate with it.
    args.report(&training, "seq2seq", &device, console)?;
    Ok(Ending::Done)
}

/// For the built-in task.
fn dates(model: ModelArgs) -> Settings<Seq2SeqConfig> {
    let preset = model.preset(32, 128, DATES_LEN.source);
    Settings::for_dates(preset.config(), [800, 100, 400])
}

/// For somebody's text of some ten thousand to a million pairs.
fn text(model: ModelArgs) -> Settings<Seq2SeqConfig> {
    let preset = model.preset(256, 512, TEXT_LEN.source);
    Settings::for_text(RecurrentPreset { dropout: 0.2, ..preset }.config())
}

impl ModelArgs {
    /// A model as the command line says, `width` features wide unless told.
    fn preset(self, embedding: usize, width: usize, max_source: usize) -> RecurrentPreset {
        let Self { attention, input_feeding, width: given } = self;
        let width = given.unwrap_or(width);
        let preset = RecurrentPreset::new(attention, embedding, width, max_source);
        RecurrentPreset { input_feeding, ..preset }
    }
}
