//! A matrix that lies by columns, laid by rows.

use super::chunks::{Uninit, fill_chunks};
use super::simd::{Isa, Op, Real, Simd};

/// Rows of a task: whole squares of any instruction set.
const BAND: usize = 32;

/// `[rows, columns]`, where the elements of a column are next to each other and those of a row `column`
/// apart: by rows.
///
/// # Panics
/// If an element is not within the data.
pub(crate) fn transposed(isa: Isa, data: &[f32], dims: [usize; 2], column: usize) -> Vec<f32> {
    let [rows, columns] = dims;
    let count = rows * columns;
    if count == 0 {
        return Vec::new();
    }
    let last = (columns - 1) * column + rows - 1;
    assert!(last < data.len(), "element {last} of {}", data.len());
    // SAFETY: a task writes all of its rows.
    let [by_rows] = unsafe {
        fill_chunks([count], [BAND * columns], 2 * count, |index, [to]| {
            f32::run(isa, Band { from: &data[index * BAND..], column, columns, to });
        })
    };
    by_rows
}

struct Band<'a> {
    /// From the first row of the band on.
    from: &'a [f32],
    column: usize,
    columns: usize,
    to: &'a mut Uninit,
}

impl Op<f32> for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { from, column, columns, to } = self;
        let rows = to.len() / columns;
        let whole = |size: usize| size - size % S::LANES;
        for i in (0..whole(rows)).step_by(S::LANES) {
            for j in (0..whole(columns)).step_by(S::LANES) {
                // SAFETY: a square of the matrix, whose last element `transposed` has looked for, and
                // one of the band.
                unsafe {
                    let from = from.as_ptr().add(j * column + i);
                    let to = to.as_mut_ptr().cast::<f32>().add(i * columns + j);
                    simd.transpose(from, column, to, columns);
                }
            }
        }
        for (i, to) in to.chunks_exact_mut(columns).enumerate() {
            let first = if i < whole(rows) { whole(columns) } else { 0 };
            for (j, to) in to.iter_mut().enumerate().skip(first) {
                to.write(from[j * column + i]);
            }
        }
    }
}
