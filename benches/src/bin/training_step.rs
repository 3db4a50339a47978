//! Prints one table: a training step and forward passes of one model, ours beside its peers.
//!
//! `cargo run --release -p attn-benches --bin training_step -- --help`

use attn_benches::contest::{Rounds, Side, SideError, Work, measure};
use attn_benches::device::{self, NamedDevice};
use attn_benches::machine::Peak;
use attn_benches::report::{Report, ReportError};
use attn_benches::setting::{Model, Preset, Setting};
use attn_benches::sides::Contestant;
use attn_benches::table::{Measured, Row, Table};
use attn_benches::{command, machine, rate};
use clap::{CommandFactory, Parser, error::ErrorKind};
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// A training step and forward passes of a Transformer out of attn-transformer and out of burn's own
/// layers, on each device, and, if asked for, in PyTorch on the CPU.
#[derive(Parser, Debug)]
#[command(name = "training_step")]
struct Arguments {
    /// Device of the sides in Rust: the name of a feature that this build has; without it flex and
    /// ndarray, so far as the build has them
    #[arg(long, value_name = "NAME", value_parser = device::open)]
    device: Option<NamedDevice>,
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Only the model of this workspace, to profile it; no peak of memory either
    #[arg(long, conflicts_with = "peers")]
    alone: bool,
    /// Inference of GPT-2's architecture instead, with one row and with sixteen: `forward` is the
    /// prefill of a prompt of `--steps` tokens
    #[arg(long, value_enum, conflicts_with_all = SIZES)]
    preset: Option<Preset>,
    /// Also write the tables here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the peak memory of this side's training step in this process, as JSON
    #[arg(long, hide = true, value_name = "INDEX")]
    memory_case: Option<usize>,
    #[command(flatten)]
    setting: Setting,
    #[command(flatten)]
    rounds: Rounds,
}

/// The options that a preset decides.
const SIZES: [&str; 9] = [
    "model",
    "layers",
    "width",
    "heads",
    "feed_forward",
    "vocabulary",
    "batch",
    "source_steps",
    "dropout",
];

#[derive(Debug, Serialize)]
struct Conditions {
    preset: Option<Preset>,
    #[serde(flatten)]
    setting: Setting,
    #[serde(flatten)]
    rounds: Rounds,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error("{first} has {expected} parameters, {other} has {found}: not the same model")]
    OtherModel { first: String, expected: usize, other: String, found: usize },
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("cannot start another process: {0}")]
    Restart(#[from] io::Error),
    #[error("a process measured no memory: {0}")]
    NoCase(String),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = validate(&arguments) {
        Arguments::command().error(ErrorKind::ValueValidation, reason).exit();
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

fn settings(arguments: &Arguments) -> Vec<Setting> {
    match arguments.preset {
        Some(preset) => preset.settings(arguments.setting.steps).to_vec(),
        None => vec![arguments.setting.clone()],
    }
}

fn validate(arguments: &Arguments) -> Result<(), String> {
    settings(arguments).iter().try_for_each(Setting::validate)?;
    arguments.rounds.validate()
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut skipped = Vec::new();
    let contestants = contestants(arguments, &mut skipped);
    if let Some(index) = arguments.memory_case {
        let peak = contestants.get(index).map(|it| it.peak(&arguments.setting)).transpose()?;
        println!("{}", serde_json::to_string(&peak.flatten()).expect("two numbers"));
        return Ok(());
    }
    let report = arguments.json.clone().map(Report::create).transpose()?;
    let mut tables = Vec::new();
    for setting in settings(arguments) {
        let table = table(arguments, &contestants, setting, &skipped)?;
        if arguments.preset.is_some() {
            println!("Batch of {}:\n", table.setting.setting.batch);
        }
        println!("{}\n", table.markdown());
        tables.push(table);
    }
    if let Some(report) = report {
        report.finish(&tables)?;
    }
    Ok(())
}

/// Who takes part, the same in a process of the same arguments.
fn contestants(arguments: &Arguments, skipped: &mut Vec<String>) -> Vec<Contestant> {
    let devices = match &arguments.device {
        Some(device) => vec![device.clone()],
        None => device::processors(),
    };
    let mut contestants: Vec<_> = devices.iter().cloned().map(Contestant::Ours).collect();
    if arguments.alone {
        return contestants;
    }
    contestants.extend(devices.into_iter().map(Contestant::Burn));
    match &arguments.peers {
        Some(python) => contestants.push(Contestant::Pytorch(python.clone())),
        None => skipped.push("no torch: `--peers PYTHON` names a Python that has it".into()),
    }
    if arguments.setting.model == Model::EncoderDecoder {
        skipped.push("no candle: its side has the decoder-only model alone".into());
        return contestants;
    }
    #[cfg(feature = "candle")]
    contestants.push(Contestant::Candle);
    if cfg!(not(feature = "candle")) {
        skipped.push("no candle: `--features candle` builds it in".into());
    }
    contestants
}

fn table(
    arguments: &Arguments,
    contestants: &[Contestant],
    setting: Setting,
    skipped: &[String],
) -> Result<Table<Conditions>, Failure> {
    let Arguments { preset, rounds, .. } = *arguments;
    let works = if preset.is_some() { &Work::ALL[1..] } else { &Work::ALL[..] };
    let peaks = match works {
        [Work::Train, ..] if !arguments.alone => peaks(contestants, &setting)?,
        _ => vec![None; contestants.len()],
    };

    let mut sides: Vec<_> =
        contestants.iter().map(|it| it.open(&setting)).collect::<Result<_, _>>()?;
    check_same_model(&sides)?;
    let base = contestants.iter().position(|it| matches!(it, Contestant::Pytorch(_))).unwrap_or(0);
    // Where the sides in Rust are on a processor, the products are too.
    let device = arguments.device.clone().unwrap_or_else(|| device::processors().remove(0)).device;
    let mut rates = Vec::new();
    let mut round_of_rates = None;
    let times = measure(&mut sides, works, rounds, |round, side| {
        if round_of_rates.replace(round) != Some(round) {
            rates.extend(rate::matrix_products(&device, RATES));
        }
        eprintln!("round {} of {}: {side}", round + 1, rounds.rounds);
    })?;

    let measured: Vec<_> = sides
        .iter()
        .zip(times)
        .zip(peaks)
        .map(|((side, times), memory)| Measured { side: side.name(), times, memory })
        .collect();
    // What is possible, where the sides are judged by what is usual.
    let rate = rates.into_iter().fold(0.0, f64::max);
    Ok(Table {
        command: command::line("training_step"),
        machine: machine::describe(),
        rate,
        base: measured[base].side.clone(),
        rows: Row::all(&measured, base, &setting, rate),
        skipped: skipped.to_vec(),
        setting: Conditions { preset, setting, rounds },
    })
}

/// Matrix products timed in each round.
const RATES: usize = 10;

/// What a training step of each side has resident, in a process of its own.
fn peaks(contestants: &[Contestant], setting: &Setting) -> Result<Vec<Option<Peak>>, Failure> {
    let peak = |(index, contestant): (usize, &Contestant)| {
        eprintln!("memory of side {} of {}", index + 1, contestants.len());
        if !contestant.is_in_this_process() {
            return Ok(contestant.peak(setting)?);
        }
        let mut case = Command::new(std::env::current_exe()?);
        case.args(std::env::args_os().skip(1)).args(["--memory-case", &index.to_string()]);
        let output = case.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .map_err(|_| Failure::NoCase(format!("{}, it said {text:?}", output.status)))
    };
    contestants.iter().enumerate().map(peak).collect()
}

/// A ratio between different models would mean nothing.
fn check_same_model(sides: &[Box<dyn Side>]) -> Result<(), Failure> {
    let (first, expected) = (sides[0].name(), sides[0].parameters());
    match sides.iter().find(|side| side.parameters() != expected) {
        None => Ok(()),
        Some(other) => Err(Failure::OtherModel {
            first,
            expected,
            other: other.name(),
            found: other.parameters(),
        }),
    }
}
