//! Where the program writes.

use std::io::Write;

use super::Error;

/// Standard output and error, or what stands for them in a test.
pub struct Console<'a> {
    /// Results.
    pub output: &'a mut dyn Write,
    /// What goes on.
    pub status: &'a mut dyn Write,
}

impl Console<'_> {
    /// Writes results.
    ///
    /// # Errors
    ///
    /// Fails if nobody reads them any more.
    pub fn print(&mut self, text: &str) -> Result<(), Error> {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        written.map_err(|source| Error::Io { what: "cannot write the results".into(), source })
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
