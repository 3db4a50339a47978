//! Products of matrices for a linear map, by the `gemm` crate on all threads.

use super::fill::{Fresh, fill, load, store};
use super::schedule::{Shared, each};
use super::simd::{Isa, Op, Real, Simd};

/// Rows of which the sum of a column is one part. Not a matter of threads: it decides how it rounds.
const CHUNK: usize = 128;

/// A matrix in memory: element `(i, j)` is at `i · row + j · column`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
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
    pub(crate) fn of_rows(data: &'a [f32], columns: usize) -> Self {
        let rows = data.len() / columns.max(1);
        Self::new(data, [rows, columns], [columns, 1])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn transposed(self) -> Self {
        let Self { data, rows, columns, row, column } = self;
        Self { data, rows: columns, columns: rows, row: column, column: row }
    }
}

/// `A · B`, plus a row that all rows get; by rows.
///
/// An element is summed in the same order whatever part of the result a thread computes.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn product(a: Matrix, b: Matrix, plus: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(a.columns, b.rows, "columns of the left, rows of the right");
    assert!(plus.is_none_or(|plus| plus.len() == b.columns), "a row of another width");
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    if depth == 0 {
        return plus.map_or_else(|| vec![0.0; columns], <[f32]>::to_vec).repeat(rows);
    }
    let mut result = Vec::<f32>::with_capacity(rows * columns);
    super::pages::prefer_large(result.as_ptr(), rows * columns);
    let to = Shared(result.as_mut_ptr());
    let part = Part::of(rows, columns);
    each(
        part.tasks(rows, columns),
        rows * columns * depth,
        || (),
        |(), task| {
            let (row, column) = part.start(task, columns);
            let (m, n) = (part.rows.min(rows - row), part.columns.min(columns - column));
            // SAFETY: the part is within both matrices and the result, whose part is this task's alone
            // and is written before it is read: by `plus`, or by `gemm`, which is told not to read it.
            unsafe {
                let to = to.at(row * columns + column);
                if let Some(plus) = plus {
                    let plus = plus[column..column + n].as_ptr();
                    (0..m).for_each(|i| to.add(i * columns).copy_from_nonoverlapping(plus, n));
                }
                gemm::gemm(
                    m,
                    n,
                    depth,
                    to,
                    1,
                    columns as isize,
                    plus.is_some(),
                    a.data.as_ptr().add(row * a.row),
                    a.column as isize,
                    a.row as isize,
                    b.data.as_ptr().add(column * b.column),
                    b.column as isize,
                    b.row as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        },
    );
    // SAFETY: that many were asked for, and the tasks have written them all.
    unsafe { result.set_len(rows * columns) };
    result
}

/// Size of the part of a result that a task computes.
#[derive(Clone, Copy)]
struct Part {
    rows: usize,
    columns: usize,
}

impl Part {
    /// Cuts the longer side, two parts for each thread, but none so small that packing what it is
    /// multiplied with costs more than it saves.
    fn of(rows: usize, columns: usize) -> Self {
        const LEAST: usize = 96;
        let cut = |size: usize| {
            size.div_ceil(2 * rayon::current_num_threads()).max(LEAST).next_multiple_of(48)
        };
        if rows >= columns {
            Self { rows: cut(rows), columns: columns.max(1) }
        } else {
            Self { rows: rows.max(1), columns: cut(columns) }
        }
    }

    fn tasks(self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// First row and column of a task's part.
    fn start(self, task: usize, columns: usize) -> (usize, usize) {
        let across = columns.div_ceil(self.columns);
        (task / across * self.rows, task % across * self.columns)
    }
}

/// The sum of each column.
pub(crate) fn sum_of_rows(isa: Isa, rows: &[f32], width: usize) -> Vec<f32> {
    let tasks = rows.len().div_ceil(CHUNK * width);
    // SAFETY: a chunk writes its sums.
    let [parts] = unsafe {
        fill([tasks * width], [width], rows.len(), |index, [to]| {
            let rows = &rows[index * CHUNK * width..rows.len().min((index + 1) * CHUNK * width)];
            f32::run(isa, Sums { rows, width, to });
        })
    };
    let mut sums = vec![0.0; width];
    for part in parts.chunks_exact(width) {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    sums
}

struct Sums<'a> {
    rows: &'a [f32],
    width: usize,
    to: &'a mut Fresh,
}

impl Op<f32> for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { rows, width, to } = self;
        for at in (0..width).step_by(S::LANES) {
            let mut sum = simd.splat(0.0);
            for row in rows.chunks_exact(width) {
                sum = simd.add(sum, load(simd, row, at));
            }
            store(simd, to, at, sum);
        }
    }
}
