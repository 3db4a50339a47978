//! Prints one table: how the time of attention grows with the length, and what is claimed of it.
//!
//! `cargo run --release -p attn-benches --bin scaling -- --help`

use attn_benches::attention::environment;
use attn_benches::attention::setting::Pass;
use attn_benches::contest::SideError;
use attn_benches::device::{self, NamedDevice};
use attn_benches::report::{Report, ReportError};
use attn_benches::scaling::measure::{Pace, Sizes, measure};
use attn_benches::scaling::setting::{Setting, settings};
use attn_benches::scaling::table::{Row, Table, head};
use attn_benches::{command, machine};
use clap::Parser;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Forward and backward passes of attention under masks of all kinds, at growing lengths.
#[derive(Parser, Debug)]
#[command(name = "scaling")]
struct Arguments {
    /// The name of a feature that this build has
    #[arg(long, value_name = "NAME", default_value = device::default().name, value_parser = device::open)]
    device: NamedDevice,
    /// Only attentions whose name contains this; may be given several times
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Queries and keys
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1024,4096,16384")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    lengths: Vec<u32>,
    /// Heads of queries, keys and values
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    heads: u16,
    /// Width of a head
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    width: u16,
    /// Also the lengths at which an attention takes very long
    #[arg(long)]
    all: bool,
    /// Also write the table here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Lengths divided by sixteen and one repetition: whether it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Threads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Print the names of the attentions, and measure nothing
    #[arg(long)]
    list: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("cannot start another process: {0}")]
    Restart(#[from] io::Error),
    #[error("no attention has {0:?} in its name; `--list` prints them")]
    NoSetting(Vec<String>),
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(2)
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let chosen = chosen(&arguments.only)?;
    if arguments.list {
        chosen.iter().for_each(|setting| println!("{}", setting.name));
        return Ok(ExitCode::SUCCESS);
    }
    let variables = environment::needed(arguments.threads.into(), None);
    if let Some(status) = environment::restart(&variables)? {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(ExitCode::from(code.unwrap_or(1)));
    }
    print(arguments, &chosen)?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(only: &[String]) -> Result<Vec<Setting>, Failure> {
    let mut chosen = settings();
    chosen.retain(|setting| only.is_empty() || only.iter().any(|it| setting.name.contains(it)));
    if chosen.is_empty() { Err(Failure::NoSetting(only.to_vec())) } else { Ok(chosen) }
}

/// Ascending, each once.
fn lengths(arguments: &Arguments) -> Vec<usize> {
    let divisor = if arguments.quick { 16 } else { 1 };
    let mut lengths: Vec<_> =
        arguments.lengths.iter().map(|&n| (n as usize).div_ceil(divisor)).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

fn print(arguments: &Arguments, chosen: &[Setting]) -> Result<(), Failure> {
    let Arguments { device, heads, width, all, json, quick, .. } = arguments;
    let report = json.clone().map(Report::create).transpose()?;
    let sizes = Sizes { heads: usize::from(*heads), width: usize::from(*width) };
    let pace = if *quick { Pace::QUICK } else { Pace::FULL };
    let mut table = Table {
        command: command::line("scaling"),
        machine: machine::describe(),
        environment: format!(
            "{}, batch 1, {heads} heads × {width}, {} threads, {}",
            device.name,
            rayon::current_num_threads(),
            environment::describe()
        ),
        lengths: lengths(arguments),
        rows: Vec::new(),
    };
    println!("{}", head(&table.lengths));
    for setting in chosen {
        for pass in [Pass::Forward, Pass::Train] {
            let time = |&n: &usize| {
                if n > setting.longest && !all {
                    return Ok(None);
                }
                eprintln!("{}, {pass:?}, n = {n}", setting.name);
                measure(setting, n, sizes, pass, device, pace).map(Some)
            };
            let seconds = table.lengths.iter().map(time).collect::<Result<_, _>>()?;
            let row = Row::new(setting.name, pass, setting.claim, &table.lengths, seconds);
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
