//! The program `translate`: trains an encoder–decoder Transformer to translate, and translates
//! with it. And, whatever the model is, the machinery of every program that learns from pairs of
//! sentences: [`seq2seq`](crate::seq2seq) has another [`Architecture`] and other defaults.
//!
//! ```text
//! architecture what a model is
//! args        what was asked for         commands     what is done about it
//! settings    what can be set            defaults     what need not be
//! corpus      text, or the built-in task vocabulary   text to tokens
//! training    a run                      run_dir      where it is kept
//! translator  a trained model            picture      how it attended
//! report      numbers for people         input        where sentences come from
//! ```

mod architecture;
mod args;
mod commands;
mod corpus;
mod defaults;
mod error;
mod input;
mod picture;
mod report;
mod run_dir;
mod settings;
mod training;
mod translator;
mod vocabulary;

use std::io::{self, BufReader, IsTerminal};
use std::process::ExitCode;

use attn_train::batch::PairBatch;
use attn_train::{Objective, SequenceLoss, StopSignal};
use attn_transformer::EncoderDecoderConfig;
use clap::Parser;

pub use architecture::{Alignments, Architecture, ArchitectureError, TranslationModel};
pub(crate) use args::minutes;
pub use args::{Args, Cli};
pub use corpus::{Corpus, CorpusError, CorpusRecord, Texts};
pub(crate) use defaults::{DATES_LEN, TEXT_LEN, UNKNOWN_VOCAB};
pub use error::Error;
pub use input::Input;
pub use run_dir::{RunDir, RunDirError};
pub use settings::{Settings, SettingsError};
pub use training::Training;
pub use translator::{Translation, Translator};
pub use vocabulary::{EncodeError, OtherVocabulary, TooLong, Vocabulary};

use crate::console::Console;
use crate::exit::{self, Ending};
use crate::{interrupt, logging};

/// One of the programs: a name, and settings that work without being thought about.
#[derive(Debug, Clone)]
pub struct Program<C> {
    /// Its name, as `cargo run --example` knows it.
    pub name: &'static str,
    /// Where the built-in task is kept, unless told.
    pub dates_out: &'static str,
    /// Settings for the built-in task.
    pub dates: Settings<C>,
    /// Settings for a user's text.
    pub text: Settings<C>,
}

impl Program<EncoderDecoderConfig> {
    /// The program `translate`.
    pub fn translate() -> Self {
        Self {
            name: "translate",
            dates_out: "runs/dates",
            dates: defaults::dates(),
            text: defaults::text(),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or the training goes wrong.
pub fn run<C: Architecture>(
    program: &Program<C>,
    args: &Args,
    input: &mut Input,
    console: &mut Console,
    stop: StopSignal,
) -> Result<Ending, Error>
where
    SequenceLoss: Objective<C::Model, PairBatch>,
{
    match &args.translating.model {
        Some(run) => commands::translate::<C>(args, run, input, console).map(|()| Ending::Done),
        None => commands::train(program, args, console, stop),
    }
}

/// The program `translate`, on the standard streams.
pub fn main() -> ExitCode {
    // Help goes to standard output, in colour; a mistake to standard error.
    main_of(&Program::translate(), &Cli::parse().args)
}

/// A program, on the standard streams.
pub fn main_of<C: Architecture>(program: &Program<C>, args: &Args) -> ExitCode
where
    SequenceLoss: Objective<C::Model, PairBatch>,
{
    exit::code(run_on_terminal(program, args))
}

fn run_on_terminal<C: Architecture>(program: &Program<C>, args: &Args) -> Result<Ending, Error>
where
    SequenceLoss: Objective<C::Model, PairBatch>,
{
    // Where no bar is drawn, a line for every event stands for it.
    logging::install(!args.quiet && !io::stderr().is_terminal());
    let training = args.translating.model.is_none();
    if training {
        // Where the allocator is another, training is slower, and that is all.
        attn_train::keep_freed_memory();
    }
    let stop = if training { interrupt::on_ctrl_c()? } else { StopSignal::new() };
    let mut input =
        Input { reader: &mut BufReader::new(io::stdin()), interactive: io::stdin().is_terminal() };
    Console::on_terminal(args.quiet, |console| run(program, args, &mut input, console, stop))
}
