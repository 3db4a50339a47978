//! Where the program reads and writes.

use std::io::{self, BufRead, Write};

use super::Error;

/// Standard input, output and error, or what stands for them in a test.
pub struct Console<'a> {
    /// Sentences to translate.
    pub input: &'a mut dyn BufRead,
    /// Whether a person types them, who wants each answered at once.
    pub interactive: bool,
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
        self.output.write_all(text.as_bytes()).map_err(Error::printing)?;
        self.output.flush().map_err(Error::printing)
    }

    /// Says what goes on. Whether anybody listens does not matter to the work.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.status, "{text}");
    }

    /// The next line of the input without its end; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or is not UTF-8.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix('\n').unwrap_or(&line);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("interactive", &self.interactive).finish_non_exhaustive()
    }
}
