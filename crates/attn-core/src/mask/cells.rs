//! Rows of a matrix as text, `1` visible and `0` hidden: short, and readable in a file.

use super::error::MaskError;

pub(super) fn to_text(row: &[bool]) -> String {
    row.iter().map(|&visible| if visible { '1' } else { '0' }).collect()
}

/// Appends row number `index`, which must be `width` long, to `cells`.
pub(super) fn parse_row(
    text: &str,
    index: usize,
    width: usize,
    cells: &mut Vec<bool>,
) -> Result<(), MaskError> {
    let before = cells.len();
    for symbol in text.chars() {
        cells.push(match symbol {
            '0' => false,
            '1' => true,
            _ => return Err(MaskError::Symbol { symbol, row: index }),
        });
    }
    let found = cells.len() - before;
    if found == width { Ok(()) } else { Err(MaskError::Width { row: index, found, width }) }
}
