//! Whole texts, and lines.

use std::fs;
use std::path::Path;

use super::DataError;

/// Reads a whole file as text, for models of characters or of running text.
///
/// # Errors
/// If the file cannot be read, is empty or is not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, DataError> {
    let path = path.as_ref();
    let bytes =
        fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = good.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        DataError::InvalidUtf8 {
            path: path.to_owned(),
            line: good.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: good.len() - line_start + 1,
        }
    })?;
    let text = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    if text.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    Ok(text)
}

/// What some editors write before UTF-8 text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads the lines of a file, blank ones included.
///
/// # Errors
/// If the file cannot be read, is empty or is not UTF-8.
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    let text = read_text(path)?;
    Ok(lines(&text).map(str::to_owned).collect())
}

/// The lines of a text; the last one may lack its line end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}
