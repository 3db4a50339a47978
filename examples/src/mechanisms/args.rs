//! What the user may ask for.

use super::family;
use super::task::{KEYS, QUESTIONS};
use attn_pipelines::DeviceName;
use attn_pipelines::cli::numbers::count;
use clap::Parser;
use std::path::PathBuf;

/// Train every attention of the family on associative recall, and compare.
#[derive(Debug, Clone, Parser)]
#[command(name = "mechanisms", version)]
pub struct Args {
    /// The device.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceName,
    /// Training steps of each mechanism.
    #[arg(long, default_value_t = 1000, value_parser = steps)]
    pub steps: u64,
    /// Memories of a training step.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub batch: u64,
    /// Numbers of items to train on, in turn; each even.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 16, 32], value_parser = items)]
    pub train: Vec<usize>,
    /// Numbers of items to test on.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 16, 32, 64, 128], value_parser = items)]
    pub test: Vec<usize>,
    /// Only these mechanisms, by their names in the table.
    #[arg(long, value_delimiter = ',', value_parser = name)]
    pub only: Vec<String>,
    /// Print the names and end.
    #[arg(long)]
    pub list: bool,
    /// Print tokens per second and bytes of state in decoding, and end.
    #[arg(long)]
    pub decode: bool,
    /// Seed of data and weights.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for the pictures.
    #[arg(long, default_value = "runs/mechanisms")]
    pub out: PathBuf,
    /// Prints the peak memory of one mechanism, in a process of its own.
    #[arg(long, hide = true, value_parser = name)]
    pub measure: Option<String>,
}

fn steps(text: &str) -> Result<u64, String> {
    let steps = count(text, 1..=10_000_000, "the time of every step is kept")?;
    Ok(steps as u64)
}

fn name(text: &str) -> Result<String, String> {
    let known = family::members().iter().any(|member| member.name == text);
    if known { Ok(text.into()) } else { Err("no such mechanism; `--list` prints the names".into()) }
}

fn items(text: &str) -> Result<usize, String> {
    let (least, most) = (2 * QUESTIONS, 2 * KEYS);
    let range = || format!("needs an even number from {least} to {most}");
    let items: usize = text.parse().map_err(|_| range())?;
    if items.is_multiple_of(2) && (least..=most).contains(&items) {
        Ok(items)
    } else {
        Err(range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_what_is_needed() {
        for bad in ["--train=7", "--test=130", "--test=x", "--steps=0", "--batch=0", "--only=dott"]
            .into_iter()
            .chain(["--steps=18446744073709551615"])
        {
            let error = Args::try_parse_from(["mechanisms", bad]).unwrap_err().to_string();
            assert!(error.contains(bad.split('=').next_back().unwrap()), "{error}");
        }
        let args = Args::try_parse_from(["mechanisms", "--train=8,12"]).unwrap();
        assert_eq!(args.train, [8, 12]);
    }
}
