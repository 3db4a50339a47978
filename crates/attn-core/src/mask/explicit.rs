//! A matrix that the caller brings: whatever no rule describes.

use super::error::MaskError;
use super::pattern::{Pattern, first_matrix_row, fixed};
use super::{AttentionShape, Tile, bits, cells, tile};
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Pair by pair; on the host, because tiles are classified there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub(super) struct Explicit {
    /// `[batch, heads, queries, keys]`, 1 where all share.
    dims: [usize; 4],
    /// Shared: masks are cloned for every layer.
    visible: Arc<[bool]>,
}

impl Explicit {
    pub(super) fn new(visible: Tensor<4, Bool>) -> Self {
        let dims = visible.dims();
        Self { dims, visible: visible.into_data().iter::<bool>().collect() }
    }

    /// Batch rows that the matrix has, 1 if all share it.
    pub(super) fn batch(&self) -> usize {
        self.dims[0]
    }

    /// Batch rows in a new order; `rows` are among those that there are.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let [_, heads, queries, keys] = self.dims;
        let size = heads * queries * keys;
        let cells = rows.iter().flat_map(|&b| &self.visible[b * size..][..size]);
        Self { dims: [rows.len(), heads, queries, keys], visible: cells.copied().collect() }
    }

    /// The row of the matrix that query 0 reads, and 0 if it has but one, for all queries; `None`
    /// if the matrix does not cover the shape.
    fn first_row(&self, shape: &AttentionShape) -> Option<usize> {
        match self.dims {
            [_, _, 1, 1] => Some(0),
            [_, _, 1, cols] => (shape.keys <= cols).then_some(0),
            // One column for all keys: nothing says where the rows lie among the keys.
            [_, _, rows, 1] => (shape.queries == rows).then_some(0),
            [_, _, rows, cols] => first_matrix_row(rows, cols, shape),
        }
    }

    /// What query `i` sees: one cell for each column, or one for all keys.
    fn row(&self, shape: &AttentionShape, b: usize, h: usize, i: usize) -> &[bool] {
        let [batch, heads, rows, cols] = self.dims;
        let pick = |index: usize, size: usize| if size == 1 { 0 } else { index };
        let first = self.first_row(shape).expect("a matrix that covers the shape");
        let row = pick(first + i, rows);
        let start = ((pick(b, batch) * heads + pick(h, heads)) * rows + row) * cols;
        &self.visible[start..][..cols]
    }
}

impl Pattern for Explicit {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        let [batch, heads, rows, cols] = self.dims;
        let size = |own: usize, full: usize| if own == 1 { 1 } else { full };
        [batch, heads, size(rows, shape.queries), size(cols, shape.keys)]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        let AttentionShape { batch, heads, queries, keys } = *shape;
        let fits = |own: usize, full: usize| own == 1 || own == full;
        let covers = fits(self.dims[0], batch)
            && fits(self.dims[1], heads)
            && self.first_row(shape).is_some();
        let asked = [batch, heads, queries, keys];
        if covers { Ok(()) } else { Err(format!("{self} does not cover {asked:?}")) }
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        self.dims.map(fixed)
    }

    fn sees(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, j: usize) -> bool {
        match self.row(shape, b, h, i) {
            [all] => *all,
            row => row[j],
        }
    }

    fn fill(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, row: &mut [bool]) {
        let len = row.len();
        row.copy_from_slice(&self.row(shape, b, h, i)[..len]);
    }

    /// Exact, by reading the tile until both visible and hidden pairs are found.
    fn tile(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        let row = |i: usize| match self.row(shape, b, h, i) {
            all @ [_] => all,
            row => &row[cols.clone()],
        };
        tile::of(rows.map(row))
    }

    fn bits(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, first: usize) -> u64 {
        match self.row(shape, b, h, i) {
            [all] => {
                if *all {
                    u64::MAX
                } else {
                    0
                }
            }
            row => bits::of_cells(&row[first..]),
        }
    }
}

impl fmt::Display for Explicit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "explicit({:?})", self.dims)
    }
}

/// How a matrix is written to a file.
#[derive(Serialize, Deserialize)]
#[serde(rename = "explicit", deny_unknown_fields)]
struct Text {
    dims: [usize; 4],
    rows: Vec<String>,
}

impl TryFrom<Text> for Explicit {
    type Error = MaskError;

    fn try_from(Text { dims, rows }: Text) -> Result<Self, MaskError> {
        let [batch, heads, queries, keys] = dims;
        let needed = batch.checked_mul(heads).and_then(|matrices| matrices.checked_mul(queries));
        if needed != Some(rows.len()) {
            return Err(MaskError::Rows { dims, found: rows.len() });
        }
        let mut visible = Vec::with_capacity(rows.iter().map(String::len).sum());
        for (index, row) in rows.iter().enumerate() {
            cells::parse_row(row, index, keys, &mut visible)?;
        }
        Ok(Self { dims, visible: visible.into() })
    }
}

impl From<Explicit> for Text {
    fn from(Explicit { dims, visible }: Explicit) -> Self {
        let [batch, heads, queries, keys] = dims;
        // By number, not by `chunks`: there may be rows without keys.
        let row = |index: usize| cells::to_text(&visible[index * keys..][..keys]);
        Self { dims, rows: (0..batch * heads * queries).map(row).collect() }
    }
}
