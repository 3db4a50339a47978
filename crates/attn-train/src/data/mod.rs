//! Text files into sentences and pairs of sentences.
//!
//! A line ends with `\n` alone, for data may hold other characters that Unicode calls line ends
//! (U+0085, U+2028); a `\r` before it is dropped, and so is a byte-order mark before the first
//! line. Nothing else is changed: whoever wants trimmed or normalized text does that.
//!
//! Every error names the file and, where there is one, the line.

mod error;
mod lines;
mod pairs;

pub use error::DataError;
pub use lines::{read_lines, read_text};
pub use pairs::{Pair, Side, read_pairs, read_parallel};
