//! Lines to answer, as they come.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that are answered together, at most: more would keep the reader waiting for no gain.
pub const MOST_LINES: usize = 256;

/// Input that has brought nothing for so long has paused: what is there is answered.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest line, in bytes; what is longer is no sentence, and is skipped without being kept.
const LONGEST_LINE: u64 = 1 << 20;

/// What stands before UTF-8 text from some editors.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Standard input, or what stands for it in a test.
pub struct Input {
    reader: Option<Box<dyn BufRead + Send>>,
    lines: Option<Receiver<Line>>,
    /// Whether a person types the lines.
    pub interactive: bool,
}

/// A line without its end, or why it is none.
pub type Line = Result<String, LineError>;

/// A line that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is no text.
    #[error("not valid UTF-8 from byte {column}")]
    InvalidUtf8 {
        /// The byte, from 1.
        column: usize,
    },
    /// It has no end in sight.
    #[error("longer than {LONGEST_LINE} bytes, which no sentence is")]
    TooLong,
    /// Nothing more can be read.
    #[error("{0}")]
    Read(#[from] io::Error),
}

impl Input {
    /// Standard input.
    pub fn stdin() -> Self {
        Self { interactive: io::stdin().is_terminal(), ..Self::new(BufReader::new(io::stdin())) }
    }

    /// Lines of something else.
    pub fn new(reader: impl BufRead + Send + 'static) -> Self {
        Self { reader: Some(Box::new(reader)), lines: None, interactive: false }
    }

    /// The next lines: all that come without a pause, up to [`MOST_LINES`]; with a `window`, as many
    /// as it says, however long they take. None at the end of the input.
    pub fn next_lines(&mut self, window: Option<usize>) -> Vec<Line> {
        if let Some(reader) = self.reader.take() {
            let (sender, receiver) = sync_channel(MOST_LINES);
            // It ends with the input, or when nobody wants more lines.
            thread::spawn(move || read_lines(reader, &sender));
            self.lines = Some(receiver);
        }
        let Some(lines) = &self.lines else { return Vec::new() };
        let most = window.unwrap_or(MOST_LINES);
        let mut found = Vec::new();
        while found.len() < most {
            let line = if found.is_empty() || window.is_some() {
                lines.recv().ok()
            } else {
                lines.recv_timeout(PAUSE).ok()
            };
            match line {
                Some(line) => found.push(line),
                None => break,
            }
        }
        found
    }
}

fn read_lines(mut reader: Box<dyn BufRead + Send>, lines: &SyncSender<Line>) {
    let mut first = true;
    loop {
        let line = match read_line(&mut reader) {
            Ok(None) => return,
            Ok(Some(Ok(text))) if first => {
                Ok(text.strip_prefix(BYTE_ORDER_MARK).map_or(text.clone(), str::to_owned))
            }
            Ok(Some(line)) => line,
            Err(error) => {
                // Behind it there is nothing to be read.
                let _ = lines.send(Err(error.into()));
                return;
            }
        };
        first = false;
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// The next line; `None` behind the last one.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
        return Ok(Some(Err(LineError::TooLong)));
    }
    for end in [b'\n', b'\r'] {
        bytes.pop_if(|last| *last == end);
    }
    let line = String::from_utf8(bytes)
        .map_err(|error| LineError::InvalidUtf8 { column: error.utf8_error().valid_up_to() + 1 });
    Ok(Some(line))
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("interactive", &self.interactive).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(bytes: &'static [u8]) -> Vec<String> {
        let mut input = Input::new(bytes);
        let text = |line: Line| line.unwrap_or_else(|error| format!("<{error}>"));
        std::iter::from_fn(|| Some(input.next_lines(None)).filter(|lines| !lines.is_empty()))
            .flatten()
            .map(text)
            .collect()
    }

    #[test]
    fn lines_come_without_their_ends_and_without_a_byte_order_mark() {
        assert_eq!(all(b"\xef\xbb\xbfa\r\n\nb\r"), ["a", "", "b"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_no_text_costs_itself_alone() {
        assert_eq!(all(b"a\nb\xff\nc\n"), ["a", "<not valid UTF-8 from byte 2>", "c"]);
    }

    #[test]
    fn a_line_without_an_end_is_skipped() {
        let long = [&[b'x'; LONGEST_LINE as usize + 7][..], b"\nnext\n"].concat();
        let lines = Input::new(io::Cursor::new(long)).next_lines(None);
        assert!(matches!(lines[..], [Err(LineError::TooLong), Ok(_)]), "{lines:?}");
    }

    /// The line is there although the input stays open.
    #[test]
    fn a_pause_ends_a_window_and_a_given_window_waits() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut input = Input::new(BufReader::new(reader));
        writer.write_all(b"a\nb\n").unwrap();
        let mut found = 0;
        while found < 2 {
            found += input.next_lines(None).len();
        }
        writer.write_all(b"c\nd\n").unwrap();
        assert_eq!(input.next_lines(Some(1)).len(), 1);
        let waiting = thread::spawn(move || input.next_lines(Some(2)).len());
        writer.write_all(b"e\n").unwrap();
        assert_eq!(waiting.join().unwrap(), 2);
    }
}
