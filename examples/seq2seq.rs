//! Trains a recurrent encoder–decoder that attends, and translates with it.
//!
//! ```text
//! cargo run --release --example seq2seq
//! cargo run --release --example seq2seq -- --help
//! ```
//!
//! The program itself is `attn_pipelines::seq2seq`.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_pipelines::seq2seq::main()
}
