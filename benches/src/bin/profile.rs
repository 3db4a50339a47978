//! Prints one table: where the time of a training step goes, ours beside PyTorch's.
//!
//! `cargo run --release -p attn-benches --features profile --bin profile -- --help`

use attn_benches::contest::SideError;
use attn_benches::device::{self, NamedDevice};
use attn_benches::profile::{Looked, Row, head, look, look_at_pytorch, rows};
use attn_benches::report::{Report, ReportError};
use attn_benches::setting::Setting;
use attn_benches::sides::Contestant;
use attn_benches::{command, machine, rate};
use clap::{CommandFactory, Parser, error::ErrorKind};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the time of a training step goes, part by part: by samples of the stack on our side, by its
/// own profiler in PyTorch.
#[derive(Parser, Debug)]
#[command(name = "profile")]
struct Arguments {
    /// Device of our side, a processor: the name of a feature that this build has
    #[arg(long, value_name = "NAME", value_parser = device::open, default_value = "flex")]
    device: NamedDevice,
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Steps that are timed, and steps that are looked at
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Also write the table here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    setting: Setting,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Written<'a> {
    command: String,
    machine: String,
    rate: f64,
    sides: Vec<&'a str>,
    setting: &'a Setting,
    rows: Vec<Row>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Matrix products timed.
const RATES: usize = 30;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = arguments.setting.validate() {
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

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { device, peers, repeats, json, setting } = arguments;
    let report = json.clone().map(Report::create).transpose()?;
    let rate = rate::matrix_products(&device.device, RATES).into_iter().fold(0.0, f64::max);
    let steps = usize::from(*repeats);
    let mut sides: Vec<Looked> = vec![look(&Contestant::Ours(device.clone()), setting, steps)?];
    if let Some(python) = peers {
        sides.push(look_at_pytorch(python, setting, steps)?);
    }
    let written = Written {
        command: command::line("profile"),
        machine: machine::describe(),
        rate,
        sides: sides.iter().map(|side| side.side.as_str()).collect(),
        setting,
        rows: rows(&sides, setting, rate),
    };
    println!("{}", head(&sides));
    written.rows.iter().for_each(|row| println!("{}", row.markdown()));
    if peers.is_none() {
        println!("\nskipped: no torch: `--peers PYTHON` names a Python that has it");
    }
    println!("\nMatrix products: {:.0} GFLOP/s at most", rate / 1e9);
    println!("Command: `{}`\nMachine: {}", written.command, written.machine);
    if let Some(report) = report {
        report.finish(&written)?;
    }
    Ok(())
}
