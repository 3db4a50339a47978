//! What programs of this kind share on a command line: arguments, standard streams, signals, the
//! progress of a training, and how they end.
//!
//! ```text
//! args      what may be asked for        train     a run, as the arguments say
//! answer    sentences and test files     input     lines as they come
//! console   where a program writes       exit      its status
//! signals   who asks it to end           logging   events of the libraries
//! numbers   limits of what is asked for
//! ```

mod answer;
mod args;
mod console;
mod exit;
mod input;
mod logging;
pub mod numbers;
mod signals;
mod train;

use std::process::ExitCode;

use attn_train::StopSignal;
use attn_train::tokenizer::TokenizerError;

pub use args::{DataArgs, PairArgs, TokenizerName, TrainingArgs, TranslatingArgs};
pub use console::{Console, OutputError};
pub use exit::{BAD_INPUT, CLOSED_PIPE, Ending, Failure, WENT_WRONG, chain, code, report};
pub use input::{Input, Line, LineError, MOST_LINES};
pub use train::{go_on, outcome};

pub(crate) use signals::status as signal_status;

use crate::Error;

/// What a signal that asks a program to end does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSignal {
    /// It ends at once: there is nothing to save.
    End,
    /// It gives the [`StopSignal`] of the [`Console`], so that a training is saved first.
    Save,
}

/// Runs a program on the standard streams; a quiet one says nothing but results, warnings and
/// errors.
pub fn main(
    quiet: bool,
    on_signal: OnSignal,
    run: impl FnOnce(&mut Console) -> Result<Ending, Error>,
) -> ExitCode {
    code(match run_on_terminal(quiet, on_signal, run) {
        // Before the first step and after the last there is nothing to save.
        Err(Error::Stopped | Error::Tokenizer(TokenizerError::Stopped(_))) => {
            Ok(Ending::Interrupted)
        }
        ended => ended,
    })
}

fn run_on_terminal(
    quiet: bool,
    on_signal: OnSignal,
    run: impl FnOnce(&mut Console) -> Result<Ending, Error>,
) -> Result<Ending, Error> {
    // Where no bar is drawn, a line for every event stands for it.
    logging::install(!quiet && !console::draws_bar());
    signals::fail_writes_beyond_the_limit().map_err(Error::Signals)?;
    let stop = match on_signal {
        OnSignal::End => StopSignal::new(),
        OnSignal::Save => {
            // Where the allocator is another, training is slower, and that is all.
            attn_train::keep_freed_memory();
            signals::stop_signal().map_err(Error::Signals)?
        }
    };
    Console::on_terminal(quiet, stop, run)
}
