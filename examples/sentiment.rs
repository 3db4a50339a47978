//! Trains recurrent classifiers that attend to say whether a sentence praises or complains, beside
//! naive Bayes.
//!
//! ```text
//! cargo run --release --example sentiment
//! cargo run --release --example sentiment -- --data amazon_cells_labelled.txt yelp_labelled.txt
//! ```
//!
//! The program itself is `attn_pipelines::sentiment`.

use std::process::ExitCode;

fn main() -> ExitCode {
    attn_pipelines::sentiment::main()
}
