//! Trains an encoder–decoder Transformer to translate, and translates with it.
//!
//! ```text
//! cargo run --release --example translate
//! cargo run --release --example translate -- --help
//! ```
//!
//! The program itself is `attn_pipelines::translate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_pipelines::translate::main()
}
