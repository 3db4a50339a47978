//! Matrices somewhere in memory, and how they lie there.

use super::simd::isa;
use super::transpose::transposed;
use std::ops::Range;

/// A matrix in memory: element `(i, j)` is at `i · row + j · column`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl<'a> Matrix<'a> {
    /// # Panics
    /// If an element is not within the data.
    pub(crate) fn new(data: &'a [f32], dims: [usize; 2], strides: [usize; 2]) -> Self {
        let ([rows, columns], [row, column]) = (dims, strides);
        if rows * columns > 0 {
            let last = (rows - 1) * row + (columns - 1) * column;
            assert!(last < data.len(), "element {last} of {}", data.len());
        }
        Self { data, rows, columns, row, column }
    }

    /// Rows one behind the other.
    pub(crate) fn row_major(data: &'a [f32], columns: usize) -> Self {
        let rows = data.len() / columns.max(1);
        Self::new(data, [rows, columns], [columns, 1])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Some of the rows.
    pub(crate) fn part(self, rows: Range<usize>) -> Self {
        let data = self.data.get(rows.start * self.row..).unwrap_or_default();
        Self::new(data, [rows.len(), self.columns], [self.row, self.column])
    }

    /// Some of the columns.
    pub(crate) fn part_of_columns(self, columns: Range<usize>) -> Self {
        self.transposed().part(columns).transposed()
    }

    /// Whether it lies in memory by columns.
    pub(crate) fn is_column_major(&self) -> bool {
        self.row == 1 && self.column != 1
    }

    /// These rows one behind the other.
    pub(crate) fn select(&self, rows: &[usize]) -> Vec<f32> {
        let mut selected = Vec::with_capacity(rows.len() * self.columns);
        for &row in rows {
            let start = row * self.row;
            selected.extend((0..self.columns).map(|j| self.data[start + j * self.column]));
        }
        selected
    }

    /// As the right one of a product of so many rows: a copy that lies by rows, if this does not and
    /// the copy pays. `gemm` takes a few columns at a time, and where these are a multiple of half a
    /// page apart, as in the transpose of a wide layer's weight, they compete for the same lines of the
    /// cache.
    pub(crate) fn row_major_copy_for(&self, rows_of_left: usize) -> Option<Vec<f32>> {
        const FEW_ROWS: usize = 64;
        const HALF_PAGE: usize = 2048 / size_of::<f32>();

        let &Self { data, rows, columns, column, .. } = self;
        let competes = self.is_column_major() && column.is_multiple_of(HALF_PAGE);
        let pays = competes && rows_of_left >= FEW_ROWS;
        pays.then(|| transposed(isa(), data, [rows, columns], column))
    }

    /// The copy, if there is one; else what it would be of.
    pub(crate) fn or_row_major<'b>(self, by_rows: &'b Option<Vec<f32>>) -> Matrix<'b>
    where
        'a: 'b,
    {
        by_rows.as_ref().map_or(self, |by_rows| Matrix::row_major(by_rows, self.columns))
    }

    pub(crate) fn transposed(self) -> Self {
        let Self { data, rows, columns, row, column } = self;
        Self { data, rows: columns, columns: rows, row: column, column: row }
    }
}
