//! The arguments of `gpt`.

use std::path::PathBuf;

use attn_pipelines::DeviceName;
use attn_pipelines::cli::numbers;
use clap::{Parser, builder::NonEmptyStringValueParser};

/// Trains a decoder-only model on a text, and prints what it writes.
#[derive(Debug, Parser)]
#[command(name = "gpt")]
pub struct Args {
    /// A text to learn from; without one, two chapters of this project's book.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// What to go on from.
    #[arg(long, value_name = "TEXT", default_value = "The ", value_parser = NonEmptyStringValueParser::new())]
    pub prompt: String,
    /// Go on with the run in this folder, on the same text.
    #[arg(long, value_name = "DIR", conflicts_with = "steps")]
    pub resume: Option<PathBuf>,
    /// Steps of training.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = numbers::steps)]
    pub steps: usize,
    /// Where to compute.
    #[arg(long, value_name = "NAME", default_value_t)]
    pub device: DeviceName,
}
