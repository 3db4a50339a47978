//! Prints one table: a training step and a forward pass of one model, ours beside its peers.
//!
//! `cargo run --release -p attn-benches --bin training_step -- --help`

use attn_benches::contest::{Rounds, Side, SideError, measure};
use attn_benches::device::{self, NamedDevice};
use attn_benches::native::Native;
use attn_benches::ours::Ours;
use attn_benches::pytorch::Pytorch;
use attn_benches::report::{Report, ReportError};
use attn_benches::setting::Setting;
use attn_benches::table::{Row, Table};
use attn_benches::{burn_layers, command, machine};
use clap::{CommandFactory, Parser, error::ErrorKind};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// A training step and a forward pass of a decoder-only Transformer out of attn-transformer, out of
/// burn's own layers on the same device, and, if asked for, in PyTorch on the CPU.
#[derive(Parser, Debug)]
#[command(name = "training_step")]
struct Arguments {
    /// Device of the sides in Rust: the name of a feature that this build has
    #[arg(long, value_name = "NAME", value_parser = device::open)]
    device: Option<NamedDevice>,
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Only the model of this workspace, to profile it
    #[arg(long, conflicts_with = "peers")]
    alone: bool,
    /// Also write the table here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    conditions: Conditions,
}

#[derive(clap::Args, Debug, Serialize)]
struct Conditions {
    #[command(flatten)]
    setting: Setting,
    #[command(flatten)]
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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = arguments.conditions.validate() {
        Arguments::command().error(ErrorKind::ValueValidation, reason).exit();
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

impl Conditions {
    fn validate(&self) -> Result<(), String> {
        self.setting.validate()?;
        self.rounds.validate()
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { device, peers, alone, json, conditions } = arguments;
    let NamedDevice { name, device } = device.unwrap_or_else(device::default);
    let Conditions { setting, rounds } = &conditions;
    let autodiff = &device.autodiff();
    let report = json.map(Report::create).transpose()?;

    let burn = machine::burn_version();
    let mut sides: Vec<Box<dyn Side>> = vec![Box::new(Ours::new(setting, autodiff)?)];
    let mut skipped = Vec::new();
    if !alone {
        let model = burn_layers::model(setting, autodiff);
        let name = format!("burn {burn}, burn::nn");
        sides.push(Box::new(Native::new(name, model, setting, autodiff)));
    }
    match &peers {
        Some(python) => sides.push(Box::new(Pytorch::start(python, setting)?)),
        None => skipped.push("no torch: `--peers PYTHON` names a Python that has it".to_string()),
    }
    check_same_model(&sides)?;

    let times = measure(&mut sides, *rounds, |round, side| {
        eprintln!("round {} of {}: {side}", round + 1, rounds.rounds);
    })?;
    let names: Vec<String> = sides.iter().map(|side| side.name()).collect();
    let table = Table {
        command: command::line("training_step"),
        machine: machine::describe(),
        device: name.to_string(),
        rows: Row::all(&names, &times, setting.tokens()),
        skipped,
        setting: conditions,
    };
    println!("{}", table.markdown());
    if let Some(report) = report {
        report.finish(&table)?;
    }
    Ok(())
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
