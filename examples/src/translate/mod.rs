//! The program `translate`: trains an encoder–decoder Transformer to translate, and translates
//! with it.
//!
//! ```text
//! args        what was asked for         commands     what is done about it
//! settings    what can be set            defaults     what need not be
//! corpus      text, or the built-in task vocabulary   text to tokens
//! training    a run                      run_dir      where it is kept
//! translator  a trained model            picture      how it attended
//! report      numbers for people         console      where they are printed
//! ```

mod args;
mod commands;
mod console;
mod corpus;
mod defaults;
mod error;
mod picture;
mod report;
mod run_dir;
mod settings;
mod training;
mod translator;
mod vocabulary;

use std::io::{self, BufReader, IsTerminal};
use std::process::ExitCode;

use attn_train::StopSignal;
use clap::Parser;

pub use args::Args;
pub use console::Console;
pub use corpus::{Corpus, CorpusError, CorpusRecord, Texts};
pub use error::Error;
pub use run_dir::{RunDir, RunDirError};
pub use settings::{Settings, SettingsError};
pub use training::Training;
pub use translator::{Alignments, Translation, Translator};
pub use vocabulary::{EncodeError, OtherVocabulary, TooLong, Vocabulary};

use crate::{exit, interrupt, logging};

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Done,
    /// Stopped by Ctrl-C, to be gone on with.
    Interrupted,
}

/// Does what the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or the training goes wrong.
pub fn run(args: &Args, console: &mut Console, stop: StopSignal) -> Result<Ending, Error> {
    match &args.translating.model {
        Some(run) => commands::translate(args, run, console).map(|()| Ending::Done),
        None => commands::train(args, console, stop),
    }
}

/// The program, on the standard streams.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help goes to standard output, in colour; a mistake to standard error.
        Err(error) => error.exit(),
    };
    match run_on_terminal(&args) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(exit::INTERRUPTED),
        Err(error) => {
            exit::report(&error);
            ExitCode::from(error.status())
        }
    }
}

fn run_on_terminal(args: &Args) -> Result<Ending, Error> {
    // Where no bar is drawn, a line for every event stands for it.
    logging::install(!args.quiet && !io::stderr().is_terminal());
    let training = args.translating.model.is_none();
    if training {
        // Where the allocator is another, training is slower, and that is all.
        attn_train::keep_freed_memory();
    }
    let stop = if training { interrupt::on_ctrl_c()? } else { StopSignal::new() };
    let mut console = Console {
        input: &mut BufReader::new(io::stdin()),
        interactive: io::stdin().is_terminal(),
        output: &mut io::stdout(),
        status: if args.quiet { &mut io::sink() } else { &mut io::stderr() },
    };
    run(args, &mut console, stop)
}
