//! Prints one table: fused attention beside its peers, and what it must reach.
//!
//! `cargo run --release -p attn-benches --bin attention -- --help`

use attn_benches::attention::burn_op::BurnOp;
#[cfg(feature = "candle")]
use attn_benches::attention::candle::{Candle, CandleFused};
use attn_benches::attention::contest::{Column, Contender, Pace, measure};
use attn_benches::attention::environment::{self, Isa};
use attn_benches::attention::memory;
use attn_benches::attention::ours::Ours;
use attn_benches::attention::pytorch::Pytorch;
use attn_benches::attention::setting::{Setting, Visible, settings};
use attn_benches::attention::table::{HEAD, Judge, Row, Table};
use attn_benches::contest::SideError;
use attn_benches::device::{self, NamedDevice};
use attn_benches::report::{Report, ReportError};
use attn_benches::{command, machine};
use clap::Parser;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Tokens of the row that memory is measured on.
const LONG: usize = 16_384;

/// `attn_core::attend` beside PyTorch, candle and burn's own attention, all in f32 and with the same
/// number of threads.
#[derive(Parser, Debug)]
#[command(name = "attention")]
struct Arguments {
    /// Device of our side: the name of a feature that this build has, or `both` for flex and ndarray
    #[arg(long, value_name = "NAME", default_value = "both", value_parser = devices)]
    device: Devices,
    /// Only settings whose name contains this; may be given several times
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Also write the table here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Tiny sizes and few repetitions: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Hold our side and PyTorch to an instruction set, and leave the other peers out
    #[arg(long)]
    isa: Option<Isa>,
    /// Threads of every side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Print the names of the settings, and measure nothing
    #[arg(long)]
    list: bool,
    /// Measure the peak memory of our side on a long row instead
    #[arg(long)]
    memory: bool,
    /// Measure it in this process, at one setting, and print it as JSON
    #[arg(long, hide = true, value_name = "MASK", value_parser = mask)]
    memory_case: Option<Visible>,
}

#[derive(Debug, Clone)]
struct Devices(Vec<NamedDevice>);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("cannot start another process: {0}")]
    Restart(#[from] io::Error),
    #[error("no setting has {0:?} in its name; `--list` prints them")]
    NoSetting(Vec<String>),
    #[error("the system does not say how much memory a process has had")]
    NoPeak,
    #[error("a process measured no memory: {0}")]
    NoCase(String),
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(2)
    })
}

fn devices(name: &str) -> Result<Devices, String> {
    let names = if name == "both" { vec!["flex", "ndarray"] } else { vec![name] };
    names.into_iter().map(device::open).collect::<Result<_, _>>().map(Devices)
}

/// The names of the masks that memory is measured with.
const MASKS: [(&str, Visible); 2] = [("causal", Visible::Causal), ("full", Visible::Full)];

fn mask(name: &str) -> Result<Visible, String> {
    let found = MASKS.into_iter().find(|(mask, _)| *mask == name);
    found.map(|(_, visible)| visible).ok_or_else(|| "no such mask".into())
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let chosen = chosen(arguments)?;
    if arguments.list {
        chosen.iter().for_each(|setting| println!("{}", setting.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let variables = environment::needed(arguments.threads.into(), arguments.isa);
    if let Some(status) = environment::restart(&variables)? {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(ExitCode::from(code.unwrap_or(1)));
    }
    match arguments.memory_case {
        Some(visible) => measure_memory_here(arguments, visible)?,
        None if arguments.memory => measure_memory(arguments)?,
        None => measure_times(arguments, &chosen)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(arguments: &Arguments) -> Result<Vec<Setting>, Failure> {
    let Arguments { only, quick, .. } = arguments;
    let mut chosen = settings();
    // By the name of the full size, so that a pattern means the same rows, quick or not.
    chosen.retain(|setting| {
        only.is_empty() || only.iter().any(|pattern| setting.name().contains(pattern))
    });
    if *quick {
        chosen = chosen.into_iter().map(Setting::quick).collect();
    }
    if chosen.is_empty() { Err(Failure::NoSetting(only.clone())) } else { Ok(chosen) }
}

fn measure_times(arguments: &Arguments, settings: &[Setting]) -> Result<(), Failure> {
    let Arguments { device: Devices(devices), peers, json, quick, isa, threads, .. } = arguments;
    let report = json.clone().map(Report::create).transpose()?;
    let mut notes = Vec::new();
    let mut sides: Vec<Box<dyn Contender>> = Vec::new();
    for device in devices {
        sides.push(Box::new(Ours(device.clone())));
    }
    match peers {
        Some(python) => sides.push(Box::new(Pytorch::start(python, (*threads).into())?)),
        None => notes.push("no PyTorch: `--peers PYTHON` names a Python that has it".to_string()),
    }
    if isa.is_none() {
        others(&mut sides, &mut notes);
    } else {
        notes.push("candle and burn cannot be held to an instruction set".into());
    }
    let (pace, judge) = match (quick, isa) {
        (true, _) => (Pace::QUICK, Judge::Nobody),
        (false, Some(Isa::Avx2)) => (Pace::FULL, Judge::Avx2),
        (false, _) => (Pace::FULL, Judge::Each),
    };

    let mut table = Table {
        command: command::line("attention"),
        machine: machine::describe(),
        environment: format!(
            "{} threads in Rust, {}",
            rayon::current_num_threads(),
            environment::describe()
        ),
        sides: sides.iter().map(|side| side.name()).collect(),
        rows: Vec::new(),
        notes,
    };
    println!("{HEAD}");
    for (number, setting) in settings.iter().enumerate() {
        eprintln!("{} of {}: {}", number + 1, settings.len(), setting.name());
        let times = measure(&mut sides, setting, pace, |error| {
            table.notes.push(format!("{}: {error}", setting.name()));
        });
        let columns: Vec<Column> = sides.iter().map(|side| side.column()).collect();
        let times: Vec<_> = columns.into_iter().zip(times).collect();
        for row in Row::of(setting, &times, judge, &table.rows) {
            println!("{}", row.markdown());
            table.rows.push(row);
        }
    }
    println!("{}", table.foot());
    if let Some(report) = report {
        report.finish(&table)?;
    }
    Ok(())
}

/// Sides that stand by: what the build has of them.
fn others(sides: &mut Vec<Box<dyn Contender>>, notes: &mut Vec<String>) {
    #[cfg(feature = "candle")]
    {
        sides.push(Box::new(Candle));
        sides.push(Box::new(CandleFused));
    }
    if cfg!(not(feature = "candle")) {
        notes.push("no candle: `--features candle` builds it in".into());
    }
    for name in ["flex", "ndarray"] {
        match device::open(name) {
            Ok(device) => sides.push(Box::new(BurnOp(device))),
            Err(_) => notes.push(format!("no burn {name}: `--features {name}` builds it in")),
        }
    }
}

fn long(arguments: &Arguments, visible: Visible) -> Setting {
    let setting = memory::setting(visible, LONG);
    if arguments.quick { setting.quick() } else { setting }
}

/// One process for each device and mask: a peak is that of a whole process.
fn measure_memory(arguments: &Arguments) -> Result<(), Failure> {
    let report = arguments.json.clone().map(Report::create).transpose()?;
    let mut rows = Vec::new();
    for NamedDevice { name, .. } in &arguments.device.0 {
        for (mask, visible) in MASKS {
            let mut case = Command::new(std::env::current_exe()?);
            case.args(["--device", name, "--memory-case", mask]);
            case.args(["--threads", &arguments.threads.to_string()]);
            if arguments.quick {
                case.arg("--quick");
            }
            let output = case.stderr(std::process::Stdio::inherit()).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let peak = serde_json::from_str(&text)
                .map_err(|_| Failure::NoCase(format!("{}, it said {text:?}", output.status)))?;
            rows.push(memory::Row::new(name, &long(arguments, visible), peak));
        }
    }
    println!("{}", memory::markdown(&rows));
    println!("\nEnvironment: {}", environment::describe());
    println!("Machine: {}", machine::describe());
    println!("Command: `{}`", command::line("attention"));
    if let Some(report) = report {
        report.finish(&rows)?;
    }
    Ok(())
}

fn measure_memory_here(arguments: &Arguments, visible: Visible) -> Result<(), Failure> {
    let setting = long(arguments, visible);
    let peak = memory::measure(&setting, &arguments.device.0[0]).ok_or(Failure::NoPeak)?;
    println!("{}", serde_json::to_string(&peak).expect("two numbers"));
    Ok(())
}
