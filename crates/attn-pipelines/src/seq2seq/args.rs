//! The command line.

use clap::{Args as Group, Parser};

use super::AttentionName;
use crate::translate::Args;

/// Trains a recurrent encoder–decoder that attends, and translates with it.
///
/// Without arguments it trains on a task that is built in: dates as people write them in seven
/// languages, to ISO 8601.
#[derive(Debug, Parser)]
#[command(name = "seq2seq", after_help = EXAMPLES)]
pub struct Cli {
    /// What it has in common with `translate`.
    #[command(flatten)]
    pub args: Args,

    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// The model of a new run.
#[derive(Debug, Clone, Copy, Group)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// How the decoder looks at the source.
    #[arg(
        long, value_name = "NAME", default_value = "bahdanau",
        conflicts_with_all = ["model", "resume"]
    )]
    pub attention: AttentionName,

    /// Let the attentional vector of a step enter the cell at the next; for Luong's attentions.
    #[arg(long, conflicts_with_all = ["model", "resume"])]
    pub input_feeding: bool,

    /// Features of a state of the decoder, and of an annotation, of which each direction of the
    /// encoder gives half. [default: 512; 128 for the built-in task]
    #[arg(long, value_name = "N", conflicts_with_all = ["model", "resume"], value_parser = width)]
    pub width: Option<usize>,
}

fn width(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(width) if width > 0 && width.is_multiple_of(2) => Ok(width),
        _ => Err("not an even number from 2 on".into()),
    }
}

const EXAMPLES: &str = "\
Examples:
  seq2seq
  seq2seq --attention luong-local-p --train train.tsv --valid valid.tsv --out runs/en-fr
  seq2seq --resume --out runs/en-fr
  seq2seq --model runs/en-fr \"I am cold.\"
  seq2seq --model runs/en-fr --picture cold.svg \"I am cold.\"
  seq2seq --model runs/en-fr --test test.tsv --hypotheses test.hyp

Exit status: 0 done, 1 training went wrong, 2 something given was wrong, 130 stopped by Ctrl-C.";
