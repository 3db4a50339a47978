//! Learns to pronounce: from letters to phonemes, by recurrent attention and by a Transformer.
//!
//! ```text
//! cargo run --release --example pronounce
//! cargo run --release --example pronounce -- --data cmudict.dict
//! ```
//!
//! The program itself is `attn_pipelines::pronounce`.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_pipelines::pronounce::main()
}
