//! The program `seq2seq`: trains a recurrent encoder–decoder that attends, and translates with it.
//!
//! It is [`translate`] with another model.
//!
//! ```text
//! args          what was asked for         attention    the ways of looking, by name
//! architecture  what the model is          defaults     what need not be said
//! ```

mod architecture;
mod args;
mod attention;
mod defaults;

use std::process::ExitCode;

use attn_rnn::Seq2SeqConfig;
use clap::Parser;

pub use args::{Cli, ModelArgs};
pub use attention::AttentionName;
pub use defaults::model;

use crate::translate::{self, Program};

impl Program<Seq2SeqConfig> {
    /// The program `seq2seq`, with such a model.
    pub fn seq2seq(model: ModelArgs) -> Self {
        Self {
            name: "seq2seq",
            dates_out: "runs/seq2seq",
            dates: defaults::dates(model),
            text: defaults::text(model),
        }
    }
}

/// The program, on the standard streams.
pub fn main() -> ExitCode {
    // Help goes to standard output, in colour; a mistake to standard error.
    let Cli { args, model } = Cli::parse();
    translate::main_of(&Program::seq2seq(model), &args)
}
