//! Trains an encoder–decoder Transformer to translate, and translates with it.
//!
//! ```text
//! cargo run --release --example translate
//! cargo run --release --example translate -- --help
//! ```

use std::process::ExitCode;

use attn_pipelines::cli::{self, Console, Ending, OnSignal, PairArgs};
use attn_pipelines::translation::{Settings, Training, UNKNOWN_VOCAB};
use attn_pipelines::{Error, Translator};
use attn_train::StopReason;
use attn_transformer::{BlockConfig, EncoderDecoderConfig, NormKind};
use clap::Parser;

/// Trains an encoder–decoder Transformer to translate, and translates with it.
///
/// Without arguments it trains on a task that is built in: dates as people write them in seven
/// languages, to ISO 8601.
#[derive(Debug, Parser)]
#[command(name = "translate", after_help = EXAMPLES)]
pub struct Cli {
    /// All of it.
    #[command(flatten)]
    pub args: PairArgs,
}

const EXAMPLES: &str = "\
Examples:
  translate
  translate --train train.tsv --valid valid.tsv --out runs/en-fr
  translate --resume --out runs/en-fr
  translate --model runs/en-fr \"I am cold.\"
  translate --model runs/en-fr --picture cold.svg \"I am cold.\"
  translate --model runs/en-fr < sentences.txt
  translate --model runs/en-fr --test test.tsv --hypotheses test.hyp

Exit status: 0 done, 1 training went wrong or the disk is full, 2 something given was wrong,
130 stopped by Ctrl-C.";

fn main() -> ExitCode {
    let Cli { args } = Cli::parse();
    // A training is saved when a signal ends the program; of a translation nothing is left to save.
    let on_signal = if args.translating.model.is_some() { OnSignal::End } else { OnSignal::Save };
    cli::main(args.quiet, on_signal, |console| run(&args, console))
}

/// Translates with a model, or trains one.
pub fn run(args: &PairArgs, console: &mut Console) -> Result<Ending, Error> {
    let device = args.device.open()?;
    if let Some(run) = &args.translating.model {
        args.check_outputs(run)?; // before the work
        let translator = Translator::load_as::<EncoderDecoderConfig>(run, &device)?;
        return args.answer(translator, console).map(|()| Ending::Done);
    }

    // From data and a model to a run: in a new folder, or gone on with.
    let settings = if args.built_in() { dates() } else { text() };
    let mut training: Training<EncoderDecoderConfig> =
        args.training(settings, "runs/dates", &console.stop)?;
    console.say(&training.summary(&device));

    // Training, with checkpoints in the folder.
    let minutes = args.training.max_minutes;
    let outcome = training.fit(&device, console.stop.clone(), console.progress, minutes)?;
    console.say(&cli::outcome(&outcome, "translate", training.run.path()));
    if outcome.reason == StopReason::Interrupted {
        return Ok(Ending::Interrupted);
    }

    // The result: how well the best model does, and how to translate with it.
    args.report(&training, "translate", &device, console)?;
    Ok(Ending::Done)
}

/// For the built-in task.
fn dates() -> Settings<EncoderDecoderConfig> {
    // Without biases and means: at this width a step is mostly small operations.
    let block = BlockConfig {
        d_ff: Some(128),
        dropout: 0.0,
        norm: NormKind::Rms,
        bias: false,
        ..BlockConfig::new(64, 4)
    };
    let model = EncoderDecoderConfig {
        encoder_layers: 2,
        decoder_layers: 1,
        ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, block)
    };
    Settings::for_dates(model, [3200, 200, 800])
}

/// For somebody's text of some ten thousand to a million pairs.
fn text() -> Settings<EncoderDecoderConfig> {
    Settings::for_text(EncoderDecoderConfig {
        encoder_layers: 3,
        decoder_layers: 3,
        ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, BlockConfig::new(256, 4))
    })
}
