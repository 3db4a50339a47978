//! Where sentences to translate come from.

use std::io::{self, BufRead};

/// Standard input, or what stands for it in a test.
pub struct Input<'a> {
    /// Sentences to translate.
    pub reader: &'a mut dyn BufRead,
    /// Whether a person types them, who wants each answered at once.
    pub interactive: bool,
}

impl Input<'_> {
    /// The next line without its end; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or is not UTF-8.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix('\n').unwrap_or(&line);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("interactive", &self.interactive).finish_non_exhaustive()
    }
}
