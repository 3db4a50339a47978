//! Where a program reads and writes.

use std::io::{self, IsTerminal, Write};

use attn_train::{Progress, StopSignal};

use super::{CLOSED_PIPE, Failure, Input, WENT_WRONG};

/// Standard input, output and error, or what stands for them in a test; and the signal that asks the
/// program to end.
pub struct Console<'a> {
    /// Results.
    pub output: &'a mut dyn Write,
    /// What goes on.
    pub status: &'a mut dyn Write,
    /// What is wrong with a part of the input; also of a quiet program.
    pub warnings: &'a mut dyn Write,
    /// Lines to answer.
    pub input: Input,
    /// Given when the program is to save and end.
    pub stop: StopSignal,
    /// Whether a training draws a bar.
    pub progress: Progress,
}

/// The results cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the results: {0}")]
pub struct OutputError(#[from] pub io::Error);

impl OutputError {
    /// Whether the reader of a pipe has gone, as `head` does when it has seen enough.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Failure for OutputError {
    fn status(&self) -> u8 {
        if self.is_closed_pipe() { CLOSED_PIPE } else { WENT_WRONG }
    }
}

impl Console<'_> {
    /// Runs a program on standard output and error; a quiet one does not say what goes on.
    pub fn on_terminal<T>(quiet: bool, stop: StopSignal, run: impl FnOnce(&mut Console) -> T) -> T {
        let bar = !quiet && draws_bar();
        let mut console = Console {
            output: &mut io::stdout(),
            warnings: &mut io::stderr(),
            status: if quiet { &mut io::sink() } else { &mut io::stderr() },
            input: Input::stdin(),
            stop,
            progress: if bar { Progress::Auto } else { Progress::Hidden },
        };
        run(&mut console)
    }

    /// Writes results.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be written, as when nobody reads them any more.
    pub fn print(&mut self, text: &str) -> Result<(), OutputError> {
        self.output.write_all(text.as_bytes())?;
        Ok(self.output.flush()?)
    }

    /// Says what is wrong with a part of the input.
    pub fn warn(&mut self, text: &str) {
        let _ = writeln!(self.warnings, "{text}");
    }

    /// Says what goes on. Whether anybody listens does not matter to the work.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.status, "{text}");
    }
}

/// Whether standard error is a terminal that can draw a progress bar; lines stand for the bar
/// elsewhere.
pub(super) fn draws_bar() -> bool {
    io::stderr().is_terminal() && can_move_cursor(std::env::var_os("TERM").as_deref())
}

/// Whether a terminal of this kind can write over a line: one called `dumb`, as in editors, cannot, nor
/// one without a name, of which nothing is known.
fn can_move_cursor(term: Option<&std::ffi::OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_lines() {
        assert!(!can_move_cursor(Some("dumb".as_ref())));
        assert!(can_move_cursor(Some("xterm-256color".as_ref())));
        assert!(!can_move_cursor(Some("".as_ref())) && !can_move_cursor(None));
    }
}
