//! Checks that attention keeps its law on a device, for whoever ports, tunes or doubts one.
//!
//! ```text
//! cargo run --release --example attn_check --features conformance
//! cargo run --release --example attn_check --features conformance,vulkan -- --device vulkan
//! ```
//!
//! Prints a line for each rule, and under a broken one the smallest case found that breaks it. The
//! exit code is 0 if all rules hold, 1 if one is broken, and 2 if the device cannot be had.

use attn_core::conformance::{Library, Options, RULES, Report};
use attn_pipelines::cli::{self, Console, Ending, OnSignal, WENT_WRONG, numbers::count};
use attn_pipelines::{DeviceName, Error};
use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;

/// Check that attention keeps its law on a device, against an oracle of plain f64 loops.
#[derive(Debug, Parser)]
#[command(name = "attn_check", version)]
struct Args {
    /// The device to check.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceName,
    /// Cases of each rule.
    #[arg(long, default_value_t = Options::default().cases)]
    cases: u32,
    /// Different shapes among the cases. A device that compiles kernels takes seconds for each.
    #[arg(long, default_value_t = Options::default().shapes, value_parser = shapes)]
    shapes: usize,
    /// Largest size of an axis other than the heads; at least 7.
    #[arg(long, default_value_t = Options::default().max_size, value_parser = sizes)]
    max_size: usize,
    /// Largest number of queries and keys; beyond the largest size, where kernels cut.
    #[arg(long, default_value_t = Options::default().max_steps, value_parser = steps)]
    max_steps: usize,
    /// Seed of shapes, masks and numbers; another one asks other questions.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Precision of the device's products, that of f32 unless given; 1e-3 where tensor cores take
    /// f32 as TF32.
    #[arg(long)]
    epsilon: Option<f64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut all_hold = true;
    let ended = cli::main(true, OnSignal::End, |console| {
        all_hold = check(&args, console)?;
        Ok(Ending::Done)
    });
    if all_hold { ended } else { ExitCode::from(WENT_WRONG) }
}

/// Prints a line for each rule; whether all of them hold.
fn check(args: &Args, console: &mut Console) -> Result<bool, Error> {
    let device = args.device.open()?;
    let Args { cases, shapes, max_size, max_steps, seed, .. } = *args;
    let epsilon = args.epsilon.unwrap_or(Options::default().epsilon);
    let options = Options { cases, seed, shapes, max_size, max_steps, epsilon };

    console.print(&format!("attention on {device:?}, seed {seed}\n"))?;
    let start = Instant::now();
    let mut report = Report { rules: Vec::new() };
    for rule in &RULES {
        let verdict = rule.run(&Library, &device, &options);
        // As it comes: a rule may take a minute where kernels are compiled.
        console.print(&format!("{verdict}\n"))?;
        report.rules.push(verdict);
    }
    let seconds = start.elapsed().as_secs_f64();
    console.print(&format!("{}, in {seconds:.1} s\n", report.summary()))?;
    Ok(report.is_success())
}

fn sizes(text: &str) -> Result<usize, String> {
    count(text, 7..=256, "the oracle has loops over batch, heads, queries, keys and features")
}

fn steps(text: &str) -> Result<usize, String> {
    count(text, 1..=4096, "the oracle keeps queries × keys numbers of 8 bytes for each head")
}

fn shapes(text: &str) -> Result<usize, String> {
    count(text, 1..=10_000, "more would not end")
}
