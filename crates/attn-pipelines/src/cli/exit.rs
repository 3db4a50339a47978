//! How a program ends.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use super::signals;

/// The work itself went wrong, as when a loss is NaN or the disk is full.
pub const WENT_WRONG: u8 = 1;

/// Something given on the command line or in a file was wrong.
pub const BAD_INPUT: u8 = 2;

/// Nobody reads the results any more: 128 and the number of SIGPIPE, with which `cat` ends then.
pub const CLOSED_PIPE: u8 = 141;

/// How a program ended that nothing stopped but perhaps its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Done,
    /// Stopped by Ctrl-C, or by another signal that asks a program to end.
    Interrupted,
}

/// An error that ends a program.
pub trait Failure: Error {
    /// The exit status that says whose fault it is.
    fn status(&self) -> u8;
}

impl Failure for clap::Error {
    fn status(&self) -> u8 {
        // 0 for --help and --version, 2 otherwise.
        self.exit_code() as u8
    }
}

/// The exit status of a program that ended so. An error is printed, unless it is that nobody reads
/// the results any more.
pub fn code(ended: Result<Ending, impl Failure>) -> ExitCode {
    match ended {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(signals::status()),
        Err(error) => {
            let status = error.status();
            if status != CLOSED_PIPE {
                report(&error);
            }
            ExitCode::from(status)
        }
    }
}

/// Prints an error and what caused it on standard error, if that can be written.
pub fn report(error: &dyn Error) {
    let _ = writeln!(io::stderr(), "error: {}", chain(error));
}

/// The messages of an error and of its sources, each once: many errors quote their source.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Quoting);

    #[derive(Debug, thiserror::Error)]
    #[error("middle: {0}")]
    struct Quoting(#[source] std::fmt::Error);

    #[test]
    fn every_message_of_a_chain_is_told_once() {
        let error = Outer(Quoting(std::fmt::Error));
        assert_eq!(chain(&error), format!("outer: middle: {}", std::fmt::Error));
    }
}
