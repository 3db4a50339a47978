//! Block sparsity: a coarse grid over positions.

use super::error::MaskError;
use super::pattern::{Pattern, first_matrix_row};
use super::{AttentionShape, Tile, bits, cells, tile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Position `p` sees key `j` iff its block does; aligned as an explicit matrix of
/// `(rows · size)` × `(cols · size)` is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub(super) struct Blocks {
    size: usize,
    /// Blocks of keys.
    cols: usize,
    /// One row per block of queries, each `cols` long.
    visible: Vec<Vec<bool>>,
}

impl Blocks {
    pub(super) fn new(size: usize, visible: Vec<Vec<bool>>) -> Result<Self, MaskError> {
        if size == 0 {
            return Err(MaskError::ZeroBlock);
        }
        let rows = visible.len();
        let cols = visible.first().map_or(0, Vec::len);
        if let Some(row) = visible.iter().position(|row| row.len() != cols) {
            return Err(MaskError::Width { row, found: visible[row].len(), width: cols });
        }
        // Positions are signed.
        if rows.max(cols).checked_mul(size).is_none_or(|positions| positions > isize::MAX as usize)
        {
            return Err(MaskError::TooManyBlocks { size, rows, cols });
        }
        Ok(Self { size, cols, visible })
    }

    /// Rows and columns of the matrix that the grid stands for.
    fn extent(&self) -> [usize; 2] {
        [self.visible.len() * self.size, self.cols * self.size]
    }

    /// The row of that matrix that query `i` reads; `check` has seen to it that there is one.
    fn row(&self, shape: &AttentionShape, i: usize) -> usize {
        let [rows, cols] = self.extent();
        i + first_matrix_row(rows, cols, shape).expect("a grid that covers the shape")
    }
}

impl Pattern for Blocks {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [1, 1, shape.queries, shape.keys]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        let [rows, cols] = self.extent();
        let AttentionShape { queries, keys, .. } = shape;
        first_matrix_row(rows, cols, shape).map(|_| ()).ok_or_else(|| {
            format!("{self} covers {rows} queries × {cols} keys, but not {queries} × {keys}")
        })
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        let [rows, cols] = self.extent();
        [None, None, Some(rows), Some(cols)]
    }

    fn sees(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, j: usize) -> bool {
        self.visible[self.row(shape, i) / self.size][j / self.size]
    }

    fn fill(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, row: &mut [bool]) {
        let blocks = &self.visible[self.row(shape, i) / self.size];
        for (keys, &visible) in row.chunks_mut(self.size).zip(blocks) {
            keys.fill(visible);
        }
    }

    /// Exact, in the number of blocks that the tile touches.
    fn tile(
        &self,
        shape: &AttentionShape,
        _b: usize,
        _h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        let rows = self.row(shape, rows.start)..self.row(shape, rows.end);
        let touched = |positions: &Range<usize>| {
            positions.start / self.size..positions.end.div_ceil(self.size)
        };
        let cols = touched(&cols);
        tile::of(self.visible[touched(&rows)].iter().map(|row| &row[cols.clone()]))
    }

    fn bits(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, first: usize) -> u64 {
        let blocks = &self.visible[self.row(shape, i) / self.size];
        let touched = first / self.size..(first + 64).div_ceil(self.size).min(self.cols);
        let visible = touched.filter(|&block| blocks[block]);
        let keys = |block: usize| block * self.size..(block + 1) * self.size;
        visible.fold(0, |all, block| all | bits::of_run(keys(block), first))
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks({} × {} of size {})", self.visible.len(), self.cols, self.size)
    }
}

/// How a grid is written to a file.
#[derive(Serialize, Deserialize)]
#[serde(rename = "blocks", deny_unknown_fields)]
struct Text {
    size: usize,
    rows: Vec<String>,
}

impl TryFrom<Text> for Blocks {
    type Error = MaskError;

    fn try_from(text: Text) -> Result<Self, MaskError> {
        let cols = text.rows.first().map_or(0, String::len);
        let parse = |(index, row): (usize, &String)| {
            let mut cells = Vec::with_capacity(cols);
            cells::parse_row(row, index, cols, &mut cells).map(|()| cells)
        };
        let visible = text.rows.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Self::new(text.size, visible)
    }
}

impl From<Blocks> for Text {
    fn from(blocks: Blocks) -> Self {
        let rows = blocks.visible.iter().map(|row| cells::to_text(row)).collect();
        Self { size: blocks.size, rows }
    }
}
