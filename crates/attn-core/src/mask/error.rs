//! What is no mask, whatever the shape.

/// Why data does not make a mask; read from a file it becomes the reader's error.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum MaskError {
    #[error("blocks of size 0")]
    ZeroBlock,
    #[error("{rows} × {cols} blocks of size {size} are more positions than can be counted")]
    TooManyBlocks { size: usize, rows: usize, cols: usize },
    #[error("{width} columns of every {step}, needs from 1 to {step}")]
    Columns { step: usize, width: usize },
    #[error("{per_row} blocks of keys for each block of queries, but there are {blocks}")]
    RandomBlocks { per_row: usize, blocks: usize },
    #[error("a document of length {length} behind position {end} ends beyond what can be counted")]
    TooLong { end: usize, length: usize },
    #[error("row {row} has {found} cells, needs {width}")]
    Width { row: usize, found: usize, width: usize },
    #[error("row {row} has the symbol {symbol:?}, needs `0` (hidden) or `1` (visible)")]
    Symbol { symbol: char, row: usize },
    #[error("{found} rows of cells, but dims {dims:?} need {}", rows_of(dims))]
    Rows { dims: [usize; 4], found: usize },
    #[error("a combination of {found} masks, needs at least 2")]
    Operands { found: usize },
}

fn rows_of(dims: &[usize; 4]) -> String {
    let [batch, heads, rows, _] = dims;
    format!("{batch} · {heads} · {rows}")
}
