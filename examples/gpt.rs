//! Trains a decoder-only model on a text, and prints what it writes when it goes on from a prompt:
//! `cargo run --release --example gpt -- --data FILE --prompt "Once upon a time"`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attn_generate::SamplerConfig;
use attn_pipelines::cli::{self, Console, Ending, OnSignal};
use attn_pipelines::generation::{TextSettings, TextTraining};
use attn_pipelines::{DeviceName, Error, RunDir, TextGenerator};
use attn_train::{StopReason, data::read_text};
use attn_transformer::BlockConfig;
use clap::Parser;

/// Trains a decoder-only model on a text, and prints what it writes.
#[derive(Debug, Parser)]
#[command(name = "gpt")]
struct Args {
    /// A text to learn from; without one, two chapters of this project's book.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// What to go on from.
    #[arg(long, value_name = "TEXT", default_value = "The ")]
    prompt: String,
    /// Steps of training.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = cli::numbers::steps)]
    steps: usize,
    /// Where to compute.
    #[arg(long, value_name = "NAME", default_value_t)]
    device: DeviceName,
}

fn main() -> ExitCode {
    let args = Args::parse();
    cli::main(false, OnSignal::Save, |console| run(&args, console))
}

fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let device = args.device.open()?;
    let text = args.data.as_ref().map_or_else(|| Ok(BUILT_IN.concat()), read_text)?;
    let settings = TextSettings::new(3, BlockConfig::new(96, 4), args.steps);
    let folder = || Ok(RunDir::create_numbered(Path::new("runs/gpt"))?);
    let mut training = TextTraining::begin(settings, &text, &console.stop, folder)?;
    console.say(&training.summary(&device));
    let outcome = training.fit(&device, console.stop.clone(), console.progress)?;
    if outcome.reason == StopReason::Interrupted {
        return Ok(Ending::Interrupted);
    }
    let generator = TextGenerator::load(training.run.path(), &device)?;
    let sampler = SamplerConfig { temperature: 0.7, ..generator.sampler(600, 1) };
    console.print(&args.prompt)?;
    for piece in generator.stream(&args.prompt, &sampler)? {
        console.print(&piece?)?;
    }
    console.print("\n")?;
    Ok(Ending::Done)
}

const BUILT_IN: [&str; 2] =
    [include_str!("../docs/src/kernels.md"), include_str!("../docs/src/performance.md")];
