//! Trains a decoder-only model on a text, and prints what it writes when it goes on from a prompt:
//! `cargo run --release --example gpt -- --data FILE --prompt "Once upon a time"`

#[path = "common/gpt_args.rs"]
mod gpt_args;

use std::path::Path;
use std::process::ExitCode;

use attn_generate::SamplerConfig;
use attn_pipelines::cli::{self, Console, Ending, OnSignal};
use attn_pipelines::generation::{TextSettings, TextTraining};
use attn_pipelines::{Error, RunDir, TextGenerator};
use attn_train::{StopReason, data::read_text};
use attn_transformer::BlockConfig;
use clap::Parser;
use gpt_args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    cli::main(false, OnSignal::Save, |console| run(&args, console))
}

fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let device = args.device.open()?;
    let text = args.data.as_ref().map_or_else(|| Ok(BUILT_IN.concat()), read_text)?;
    let settings = TextSettings::new(3, BlockConfig::new(96, 4), args.steps);
    let new = || Ok(RunDir::create_numbered(Path::new("runs/gpt"))?);
    let mut training = match &args.resume {
        Some(folder) => TextTraining::resume(RunDir::resume(folder)?, &text)?,
        None => TextTraining::begin(settings, &text, &console.stop, new)?,
    };
    console.say(&training.summary(&device));
    let outcome = training.fit(&device, console.stop.clone(), console.progress)?;
    if outcome.reason == StopReason::Interrupted {
        console.say(&format!("go on with: --resume {}", training.run.path().display()));
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
