//! The program `sentiment`: recurrent classifiers that attend, beside naive Bayes.
//!
//! ```text
//! args        what was asked for         settings    what can be set
//! reviews     sentences with labels      grammar     sentences that are made up
//! words       sentences to words         parts       training, validation and test
//! log_ratios  what words say             naive_bayes the baseline
//! features    what models read           batch       a few sentences of them
//! model       what is trained            training    how
//! contest     one split, all models      table       numbers for people
//! page        where models looked
//! ```

mod args;
mod batch;
mod contest;
mod error;
mod features;
mod grammar;
mod log_ratios;
mod model;
mod naive_bayes;
mod page;
mod parts;
mod reviews;
mod settings;
mod table;
mod training;
mod words;

use std::process::ExitCode;

use attn_train::StopSignal;
use clap::Parser;

pub use args::Args;
pub use error::Error;
pub use grammar::sentences;
pub use log_ratios::LogRatios;
pub use model::{ModelError, ModelSettings};
pub use naive_bayes::NaiveBayes;
pub use parts::Parts;
pub use reviews::{Review, ReviewError, read};
pub use settings::{Settings, SettingsError, TrainingSettings};
pub use words::{Word, words};

use crate::console::Console;
use crate::exit::{self, Ending};
use crate::{interrupt, logging};

/// Does what the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or a training goes wrong.
pub fn run(args: &Args, console: &mut Console, stop: &StopSignal) -> Result<Ending, Error> {
    let settings = settings::of(args)?;
    let device = args.device.open()?;
    let reviews = match args.data.as_slice() {
        [] => sentences(grammar::SENTENCES, args.seed),
        files => read(files)?,
    };
    reviews::check(&reviews)?;
    page::make_folder(&args.out)?;
    settings.save(&args.out.join("sentiment.json"))?;
    console.say(&reviews::summary(&reviews, settings.max_words));

    let contest = contest::Contest::new(&reviews, &settings, args.seed, &device);
    let outcomes = contest.run(args.splits(), stop, |line| console.say(line))?;
    let Some(first) = outcomes.first() else { return Ok(Ending::Interrupted) };
    console.print(&table::table(&outcomes))?;
    let path = page::write(&args.out, &first.shown)?;
    console.print(&format!("\nwhere the models looked: {}\n", path.display()))?;
    let all = outcomes.len() == args.splits();
    Ok(if all { Ending::Done } else { Ending::Interrupted })
}

/// The program, on the standard streams.
pub fn main() -> ExitCode {
    // Help goes to standard output, in colour; a mistake to standard error.
    exit::code(run_on_terminal(&Args::parse()))
}

fn run_on_terminal(args: &Args) -> Result<Ending, Error> {
    logging::install(false);
    // Where the allocator is another, training is slower, and that is all.
    attn_train::keep_freed_memory();
    let stop = interrupt::on_ctrl_c()?;
    Console::on_terminal(args.quiet, |console| run(args, console, &stop))
}
