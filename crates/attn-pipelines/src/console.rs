//! Where a program writes.

use std::io::{self, Write};

use crate::io_error::IoError;

/// Standard output and error, or what stands for them in a test.
pub struct Console<'a> {
    /// Results.
    pub output: &'a mut dyn Write,
    /// What goes on.
    pub status: &'a mut dyn Write,
}

impl Console<'_> {
    /// Runs a program on standard output and error; a quiet one does not say what goes on.
    pub fn on_terminal<T>(quiet: bool, run: impl FnOnce(&mut Console) -> T) -> T {
        let mut console = Console {
            output: &mut io::stdout(),
            status: if quiet { &mut io::sink() } else { &mut io::stderr() },
        };
        run(&mut console)
    }

    /// Writes results.
    ///
    /// # Errors
    ///
    /// Fails if nobody reads them any more.
    pub fn print(&mut self, text: &str) -> Result<(), IoError> {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        written.map_err(|source| IoError { what: "cannot write the results".into(), source })
    }

    /// Says what goes on. Whether anybody listens does not matter to the work.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.status, "{text}");
    }
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}
