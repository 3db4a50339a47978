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
use attn_pipelines::device::DeviceName;
use attn_pipelines::exit::{self, BAD_INPUT, WENT_WRONG};
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
    #[arg(long, default_value_t = Options::default().shapes)]
    shapes: usize,
    /// Largest size of an axis other than the heads; at least 7.
    #[arg(long, default_value_t = Options::default().max_size)]
    max_size: usize,
    /// Largest number of queries and keys; beyond the largest size, where kernels cut.
    #[arg(long, default_value_t = Options::default().max_steps)]
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
    let device = match args.device.open() {
        Ok(device) => device,
        Err(error) => {
            exit::report(&error);
            return ExitCode::from(BAD_INPUT);
        }
    };
    let Args { cases, shapes, max_size, max_steps, seed, .. } = args;
    let epsilon = args.epsilon.unwrap_or(Options::default().epsilon);
    let options = Options { cases, seed, shapes, max_size, max_steps, epsilon };

    println!("attention on {device:?}, seed {seed}");
    let start = Instant::now();
    let mut report = Report { rules: Vec::new() };
    for rule in &RULES {
        let verdict = rule.run(&Library, &device, &options);
        println!("{verdict}"); // as it comes: a rule may take a minute where kernels are compiled
        report.rules.push(verdict);
    }
    println!("{}, in {:.1} s", report.summary(), start.elapsed().as_secs_f64());
    if report.is_success() { ExitCode::SUCCESS } else { ExitCode::from(WENT_WRONG) }
}
