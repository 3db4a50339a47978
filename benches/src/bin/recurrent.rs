//! Prints one table: a training step of recurrent layers, ours beside its peers.
//!
//! `cargo run --release -p attn-benches --bin recurrent -- --help`

use attn_benches::contest::{Rounds, Side, SideError, Work, measure, median};
use attn_benches::device::{self, NamedDevice};
use attn_benches::recurrent::{Cell, Contestant, Setting};
use attn_benches::report::{Report, ReportError};
use attn_benches::{command, machine};
use clap::{CommandFactory, Parser, error::ErrorKind};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Forward and backward of LSTM and GRU out of attn-rnn and out of burn's own layers, on each device,
/// and, if asked for, in PyTorch on the CPU. A linear head makes a number of each step, and the loss is
/// the mean of their squares. Inputs have gradients too; there is no optimizer.
#[derive(Parser, Debug)]
#[command(name = "recurrent")]
struct Arguments {
    /// Device of the sides in Rust: the name of a feature that this build has; without it flex and
    /// ndarray, so far as the build has them
    #[arg(long, value_name = "NAME", value_parser = device::open)]
    device: Option<NamedDevice>,
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Only the layers of this workspace, to profile them
    #[arg(long, conflicts_with = "peers")]
    alone: bool,
    /// Rows of a batch
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Steps of the longest row
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Width of an input and of a state
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Only settings with this in their name; may be repeated
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Also write the table here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    rounds: Rounds,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(
        "the matrices of {first} have {expected} numbers, those of {other} {found}: not the same layers"
    )]
    OtherLayers { first: String, expected: usize, other: String, found: usize },
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Everything that is needed to read the numbers, and the numbers.
#[derive(Debug, Serialize)]
struct Table {
    command: String,
    machine: String,
    batch: usize,
    steps: usize,
    width: usize,
    #[serde(flatten)]
    rounds: Rounds,
    rows: Vec<Row>,
    skipped: Vec<String>,
}

/// A side at one setting.
#[derive(Debug, Serialize)]
struct Row {
    setting: String,
    side: String,
    /// Median time.
    seconds: f64,
    /// Least time.
    fastest: f64,
    /// Steps of all rows over the median.
    tokens_per_second: f64,
    /// Over that of PyTorch; without PyTorch, of the first side.
    speed: f64,
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

fn validate(arguments: &Arguments) -> Result<(), String> {
    let Arguments { batch, steps, width, rounds, .. } = arguments;
    if [batch, steps, width].contains(&&0) {
        return Err(format!("nothing is measured in {batch} × {steps} × {width}"));
    }
    if settings(arguments).is_empty() {
        return Err(format!("no setting is called as in {:?}", arguments.only));
    }
    rounds.validate()
}

/// Both cells, one layer of full rows, and a stack as encoders have it.
fn settings(arguments: &Arguments) -> Vec<Setting> {
    let Arguments { batch, steps, width, ref only, .. } = *arguments;
    // From the longest down to a fifth of it, in no order.
    let unequal = |row: usize| steps - (row * 37 % batch) * (steps - steps / 5) / batch;
    let of = |(cell, stack)| Setting {
        cell,
        layers: if stack { 2 } else { 1 },
        bidirectional: stack,
        lengths: (0..batch).map(|row| if stack { unequal(row) } else { steps }).collect(),
        width,
    };
    [(Cell::Lstm, false), (Cell::Gru, false), (Cell::Lstm, true), (Cell::Gru, true)]
        .map(of)
        .into_iter()
        .filter(|setting| only.is_empty() || only.iter().any(|part| setting.name().contains(part)))
        .collect()
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = arguments.json.clone().map(Report::create).transpose()?;
    let mut skipped = Vec::new();
    let contestants = contestants(arguments, &mut skipped);
    let mut rows = Vec::new();
    for setting in settings(arguments) {
        rows.extend(measured(arguments, &contestants, &setting)?);
    }
    let Arguments { batch, steps, width, rounds, .. } = *arguments;
    let (command, machine) = (command::line("recurrent"), machine::describe());
    let table = Table { command, machine, batch, steps, width, rounds, rows, skipped };
    println!("{}", table.markdown());
    if let Some(report) = report {
        report.finish(&table)?;
    }
    Ok(())
}

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
    skipped.push(
        "burn's own where there are several layers, both directions or unequal lengths".into(),
    );
    match &arguments.peers {
        Some(python) => contestants.push(Contestant::Pytorch(python.clone())),
        None => skipped.push("no torch: `--peers PYTHON` names a Python that has it".into()),
    }
    contestants
}

fn measured(
    arguments: &Arguments,
    contestants: &[Contestant],
    setting: &Setting,
) -> Result<Vec<Row>, Failure> {
    let mut sides = Vec::new();
    let mut base = 0;
    for contestant in contestants {
        if let Some(side) = contestant.open(setting)? {
            if matches!(contestant, Contestant::Pytorch(_)) {
                base = sides.len();
            }
            sides.push(side);
        }
    }
    check_same_layers(&sides)?;
    let Rounds { rounds, .. } = arguments.rounds;
    let times = measure(&mut sides, &[Work::Train], arguments.rounds, |round, side| {
        eprintln!("{}, round {} of {rounds}: {side}", setting.name(), round + 1);
    })?;
    let train = Work::Train as usize;
    let of_base = median(&times[base][train]);
    let row = |side: &dyn Side, times: &[f64]| {
        let seconds = median(times);
        Row {
            setting: setting.name(),
            side: side.name(),
            seconds,
            fastest: times.iter().copied().fold(f64::INFINITY, f64::min),
            tokens_per_second: setting.tokens() as f64 / seconds,
            speed: of_base / seconds,
        }
    };
    Ok(sides.iter().zip(&times).map(|(side, times)| row(&**side, &times[train])).collect())
}

/// A ratio between different layers would mean nothing.
fn check_same_layers(sides: &[Box<dyn Side>]) -> Result<(), Failure> {
    let (first, expected) = (sides[0].name(), sides[0].parameters());
    match sides.iter().find(|side| side.parameters() != expected) {
        None => Ok(()),
        Some(other) => Err(Failure::OtherLayers {
            first,
            expected,
            other: other.name(),
            found: other.parameters(),
        }),
    }
}

const HEAD: &str = "\
| layers | side | median ms | fastest ms | steps of a row/s | speed |
|---|---|--:|--:|--:|--:|";

impl Table {
    fn markdown(&self) -> String {
        let Self { command, machine, batch, steps, width, rows, skipped, .. } = self;
        let mut lines = vec![HEAD.to_string()];
        lines.extend(rows.iter().map(|row| {
            let Row { setting, side, seconds, fastest, tokens_per_second, speed } = row;
            let [median, fastest] = [seconds * 1e3, fastest * 1e3];
            format!(
                "| {setting} | {side} | {median:.1} | {fastest:.1} | {tokens_per_second:.0} | {speed:.2} |"
            )
        }));
        lines.extend(skipped.iter().map(|reason| format!("\nskipped: {reason}")));
        lines.push(format!("\nBatch of {batch} rows of {steps} steps, {width} units"));
        lines.push("Speed: over that of PyTorch, without it over the first row's".into());
        lines.push(format!("Command: `{command}`"));
        lines.push(format!("Machine: {machine}"));
        lines.join("\n")
    }
}
