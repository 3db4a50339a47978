//! Trains the same model with ours and in PyTorch, from the same weights and on the same batches, and
//! fails if their losses part.
//!
//! `cargo run --release -p attn-benches --bin curves -- --peers PYTHON`

use attn_benches::contest::SideError;
use attn_benches::curves::{FACTOR, Peer, PeerError, SETTING, Verdict, batches, weights};
use attn_benches::device::{self, NamedDevice};
use attn_benches::ours::{decoder_only, trainer};
use attn_benches::setting::Batch;
use attn_benches::{command, machine};
use attn_train::TrainError;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// The losses of a training of ours and of PyTorch's, beside what rounding does to PyTorch's own.
#[derive(Parser, Debug)]
#[command(name = "curves")]
struct Arguments {
    /// A Python that can import torch
    #[arg(long, value_name = "PYTHON")]
    peers: PathBuf,
    /// Device of our side: the name of a feature that this build has; flex unless given
    #[arg(long, value_name = "NAME", default_value = "flex", value_parser = device::open)]
    device: NamedDevice,
    /// Steps of the training
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
}

/// Steps from one line of the table to the next.
const EVERY: usize = 20;

/// How often PyTorch trains with perturbed weights.
const PERTURBATIONS: usize = 3;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Training(#[from] TrainError),
    #[error(transparent)]
    Peer(#[from] PeerError),
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(2)
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Arguments { peers, device: NamedDevice { name, device }, steps } = arguments;
    let batches = batches(&SETTING, (*steps).into());
    let autodiff = device.clone().autodiff();
    autodiff.seed(0);
    let model = decoder_only(&SETTING, &autodiff);
    let initial = weights(&model);
    eprintln!("ours, {name}");
    let mut trainer = trainer(model, &autodiff)?;
    let step = |batch: &Batch| Ok(trainer.step(std::slice::from_ref(batch))?.loss);
    let losses: Vec<f64> = batches.iter().map(step).collect::<Result<_, TrainError>>()?;
    eprintln!("PyTorch, and {PERTURBATIONS} times with perturbed weights");
    let peer = Peer::train(peers, &SETTING, &initial, &batches, PERTURBATIONS)?;

    let verdict = Verdict::new(&losses, &peer);
    print(name, &losses, &peer, &verdict);
    Ok(if verdict.met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(name: &str, losses: &[f64], peer: &Peer, verdict: &Verdict) {
    println!("| step | loss, ours, {name} | loss, PyTorch {} | difference | bound |", peer.version);
    println!("|--:|--:|--:|--:|--:|");
    let Verdict { differences, bounds } = verdict;
    let last = losses.len() - 1;
    for step in (0..last).step_by(EVERY).chain([last]) {
        let (difference, bound) = (differences[step], bounds[step]);
        println!(
            "| {} | {:.6} | {:.6} | {difference:.1e} | {bound:.1e} |",
            step + 1,
            losses[step],
            peer.losses[step]
        );
    }
    let largest = differences.iter().copied().fold(0.0, f64::max);
    println!("\nLargest difference: {largest:.1e}");
    if let Some(step) = verdict.closest() {
        println!(
            "Closest to its bound: {:.1e} of {:.1e}, step {}; the bound is {FACTOR} times what a \
             perturbation of one unit in the last place does to PyTorch",
            differences[step],
            bounds[step],
            step + 1
        );
    }
    println!("Verdict: {}", if verdict.met() { "met" } else { "**missed**" });
    println!("Command: `{}`", command::line("curves"));
    println!("Machine: {}", machine::describe());
}
