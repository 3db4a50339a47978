//! Pairs of sentences: a source and its target.

use std::fmt;
use std::path::Path;

use super::DataError;
use super::lines::{lines, read_text};

/// A sentence and what it is to become.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// What is read.
    pub source: String,
    /// What is to be written.
    pub target: String,
}

/// One side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What is read.
    Source,
    /// What is to be written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Reads pairs from one file: a source, a tab and a target on every line.
///
/// Anything else on a line is refused rather than guessed at: a third column (cut it off first,
/// `cut -f1,2`), a blank line, an empty side.
///
/// # Errors
/// If the file cannot be read, is empty or is not UTF-8, or a line is not a pair.
pub fn read_pairs(path: impl AsRef<Path>) -> Result<Vec<Pair>, DataError> {
    let path = path.as_ref();
    let text = read_text(path)?;
    let pair = |(index, line): (usize, &str)| {
        let line_number = index + 1;
        let sides = line.split_once('\t').filter(|(_, target)| !target.contains('\t'));
        let (source, target) = sides.ok_or_else(|| DataError::NotAPair {
            path: path.to_owned(),
            line: line_number,
            tabs: line.matches('\t').count(),
        })?;
        Ok(Pair {
            source: filled(source, path, line_number, Side::Source)?,
            target: filled(target, path, line_number, Side::Target)?,
        })
    };
    lines(&text).enumerate().map(pair).collect()
}

/// Reads pairs from two files: line `n` of one belongs to line `n` of the other.
///
/// # Errors
/// If a file cannot be read, is empty or is not UTF-8, if a line is blank, or if one file has more
/// lines than the other.
pub fn read_parallel(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
) -> Result<Vec<Pair>, DataError> {
    let (source_path, target_path) = (source.as_ref(), target.as_ref());
    let (source_text, target_text) = (read_text(source_path)?, read_text(target_path)?);
    let (source_lines, target_lines) = (lines(&source_text).count(), lines(&target_text).count());
    if source_lines != target_lines {
        return Err(DataError::NotParallel {
            source_path: source_path.to_owned(),
            source_lines,
            target_path: target_path.to_owned(),
            target_lines,
        });
    }
    let pair = |(index, (source, target)): (usize, (&str, &str))| {
        Ok(Pair {
            source: filled(source, source_path, index + 1, Side::Source)?,
            target: filled(target, target_path, index + 1, Side::Target)?,
        })
    };
    lines(&source_text).zip(lines(&target_text)).enumerate().map(pair).collect()
}

/// One side of a pair, if there is something in it.
fn filled(text: &str, path: &Path, line: usize, side: Side) -> Result<String, DataError> {
    if text.trim().is_empty() {
        return Err(DataError::EmptySide { path: path.to_owned(), line, side });
    }
    Ok(text.to_owned())
}
