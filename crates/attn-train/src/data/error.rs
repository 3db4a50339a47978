//! What can be wrong with a text file.

use std::io;
use std::path::PathBuf;

use super::Side;

/// A text file that cannot be used. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file is missing, is no file, or the system refuses to hand it out.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no text at all.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not UTF-8: another encoding, or a file that is not text.
    #[error("{}:{line}: not valid UTF-8 from byte {column} of the line on", path.display())]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first bad byte.
        line: usize,
        /// That byte's place in the line, counted from 1.
        column: usize,
    },
    /// A line of a file of pairs is not `source`, tab, `target`.
    #[error(
        "{}:{line}: expected a source and a target with one tab between them, found {tabs} tabs",
        path.display()
    )]
    NotAPair {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// How many tabs it has.
        tabs: usize,
    },
    /// One side of a pair has nothing in it but white space.
    #[error("{}:{line}: the {side} is empty", path.display())]
    EmptySide {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Which of them.
        side: Side,
    },
    /// Two files that should be parallel are not.
    #[error(
        "{} has {source_lines} lines but {} has {target_lines}: line by line they should be \
         translations",
        source_path.display(), target_path.display()
    )]
    NotParallel {
        /// The file of the sources.
        source_path: PathBuf,
        /// Its number of lines.
        source_lines: usize,
        /// The file of the targets.
        target_path: PathBuf,
        /// Its number of lines.
        target_lines: usize,
    },
}
