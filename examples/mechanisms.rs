//! Every attention of the family, trained on the same small task under the same budget.
//!
//! ```text
//! cargo run --release --example mechanisms
//! cargo run --release --example mechanisms -- --only softmax,sparsemax --steps 200
//! ```
//!
//! Prints one table and writes a picture of each mechanism's weights.

use attn_examples::mechanisms;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    mechanisms::main(&mechanisms::Args::parse())
}
