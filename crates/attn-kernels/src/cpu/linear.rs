//! Products of matrices for a linear map, by the `gemm` crate on all threads.

use super::chunks::{Uninit, fill_chunks, load, store};
use super::matrix::Matrix;
use super::schedule::{SharedPtr, run_tasks};
use super::simd::{Isa, Op, Real, Simd};
use std::ops::Range;

/// Rows of which the sum of a column is one part. Not a matter of threads: it decides how it rounds.
const CHUNK: usize = 128;

/// What is added to a product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Addend<'a> {
    None,
    /// A row that all rows get.
    Row(&'a [f32]),
    /// What is there.
    Previous,
}

/// `A · B`, plus a row that all rows get; by rows.
///
/// # Panics
/// As [`product_into`].
pub(crate) fn product(a: Matrix, b: Matrix, plus: Option<&[f32]>) -> Vec<f32> {
    let count = a.rows * b.columns;
    let mut result = Vec::<f32>::with_capacity(count);
    super::pages::prefer_large_pages(result.as_ptr(), count);
    let plus = plus.map_or(Addend::None, Addend::Row);
    // SAFETY: that capacity was allocated, and all of them are written: what is there is not read.
    unsafe {
        multiply(a, b, plus, result.as_mut_ptr());
        result.set_len(count);
    }
    result
}

/// [`product`], of which a row has the same bits however many rows there are.
///
/// `gemm` sums in an order of its own where there is a single row or column; where the right matrix lies by columns and
/// the result is small; and, of more than 512 terms, where the result has at most 64 rows and columns. Here it gets
/// nothing of these: a row or column of zeros is added, columns are copied to rows, and terms are cut.
///
/// # Panics
/// As [`product_into`].
pub(crate) fn row_invariant_product(a: Matrix, b: Matrix, plus: Option<&[f32]>) -> Vec<f32> {
    const FEW_COLUMNS: usize = 64;
    const TERMS: usize = 512;

    let [depth, columns] = [a.columns, b.columns];
    if columns == 1 {
        let mut padded = b.select(&(0..b.rows).collect::<Vec<_>>());
        padded = padded.into_iter().flat_map(|x| [x, 0.0]).collect();
        let plus = plus.map(|plus| [plus[0], 0.0]);
        let b = Matrix::new(&padded, [b.rows, 2], [2, 1]);
        let both = row_invariant_product(a, b, plus.as_ref().map(|plus| &plus[..]));
        return both.into_iter().step_by(2).collect();
    }
    let by_rows = b.is_column_major().then(|| b.select(&(0..b.rows).collect::<Vec<_>>()));
    let b = b.or_row_major(&by_rows);
    let padded = (a.rows == 1).then(|| [a.select(&[0]), vec![0.0; depth]].concat());
    let rows = padded.as_ref().map_or(a, |rows| Matrix::new(rows, [2, depth], [depth, 1]));

    let terms = if columns <= FEW_COLUMNS { TERMS.min(depth) } else { depth };
    let part = |terms: Range<usize>| [rows.part_of_columns(terms.clone()), b.part(terms)];
    let [first, of_first] = part(0..terms);
    let mut result = product(first, of_first, plus);
    for start in (terms..depth).step_by(TERMS) {
        let [next, of_next] = part(start..depth.min(start + TERMS));
        product_into(next, of_next, Addend::Previous, &mut result);
    }
    result.truncate(a.rows * columns);
    result
}

/// [`product`] over what was there, by rows.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn product_into(a: Matrix, b: Matrix, plus: Addend, to: &mut [f32]) {
    assert_eq!(to.len(), a.rows * b.columns, "elements of a product");
    // SAFETY: that many are lent, and they are numbers.
    unsafe { multiply(a, b, plus, to.as_mut_ptr()) };
}

/// An element is summed in the same order whatever part of the result a thread computes.
///
/// # Safety
/// `to` must be that of `rows · columns` elements that are the caller's alone; numbers, if they are
/// what is added.
///
/// # Panics
/// If the sizes do not fit.
unsafe fn multiply(a: Matrix, b: Matrix, plus: Addend, to: *mut f32) {
    assert_eq!(a.columns, b.rows, "columns of the left, rows of the right");
    let by_rows = b.row_major_copy_for(a.rows);
    let b = b.or_row_major(&by_rows);
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    if let Addend::Row(plus) = plus {
        assert_eq!(plus.len(), columns, "a row of another width");
    }
    if rows * columns == 0 {
        return;
    }
    let to = SharedPtr(to);
    let parts = Parts::of(rows, columns);
    let work = rows * columns * depth.max(1);
    run_tasks(
        parts.count,
        work,
        || (),
        |(), task| {
            let [(row, m), (column, n)] = parts.at(task);
            // SAFETY: the part is within both matrices and the result, whose part is this task's alone
            // and is written before it is read: by `plus`, or by `gemm`, whose `read_dst` is false.
            // What is there is read only where the caller says that it is numbers. Of no depth, no
            // element of the matrices is read, and their offsets may be anywhere.
            unsafe {
                let to = to.at(row * columns + column);
                if let Addend::Row(plus) = plus {
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
                    !matches!(plus, Addend::None),
                    a.data.as_ptr().wrapping_add(row * a.row),
                    a.column as isize,
                    a.row as isize,
                    b.data.as_ptr().wrapping_add(column * b.column),
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
}

/// The parts of a result that tasks compute.
#[derive(Clone, Copy)]
struct Parts {
    rows: usize,
    columns: usize,
    count: usize,
}

impl Parts {
    /// Rows and columns that are cut together: whole tiles of what `gemm` computes at once.
    const UNIT: [usize; 2] = [16, 48];

    /// Cuts the longer side, two parts for each thread, but none so small that packing what it is
    /// multiplied with costs more than it saves, nor so small that `gemm` would sum in another order
    /// than it does for a large one: a part has over 64 rows or columns, and over 256 elements.
    fn of(rows: usize, columns: usize) -> Self {
        let [long, short] = [rows.max(columns), rows.min(columns).max(1)];
        let least = 112.max(512 / short);
        let count = (2 * rayon::current_num_threads()).min(long / least).max(1);
        Self { rows, columns, count }
    }

    /// Start and length in rows and in columns of a task's part.
    fn at(self, task: usize) -> [(usize, usize); 2] {
        let cut = |size: usize, unit: usize| {
            let units = size.div_ceil(unit);
            let start = |task: usize| (units * task / self.count * unit).min(size);
            (start(task), start(task + 1) - start(task))
        };
        let [of_rows, of_columns] = Self::UNIT;
        if self.rows >= self.columns {
            [cut(self.rows, of_rows), (0, self.columns)]
        } else {
            [(0, self.rows), cut(self.columns, of_columns)]
        }
    }
}

/// The sum of each column.
pub(crate) fn sum_rows(isa: Isa, rows: &[f32], width: usize) -> Vec<f32> {
    let tasks = rows.len().div_ceil(CHUNK * width);
    // SAFETY: a chunk writes its sums.
    let [parts] = unsafe {
        fill_chunks([tasks * width], [width], rows.len(), |index, [to]| {
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
    to: &'a mut Uninit,
}

impl Op<f32> for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        /// Vectors that are summed at once: neighbors, since a line of a row far away costs as
        /// much as several.
        const AT_ONCE: usize = 8;

        let Self { rows, width, to } = self;
        let whole = width - width % (AT_ONCE * S::LANES);
        for at in (0..whole).step_by(AT_ONCE * S::LANES) {
            let mut sums = [simd.splat(0.0); AT_ONCE];
            for row in rows.chunks_exact(width) {
                for (beside, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.add(*sum, load(simd, row, at + beside * S::LANES));
                }
            }
            for (beside, sum) in sums.into_iter().enumerate() {
                store(simd, to, at + beside * S::LANES, sum);
            }
        }
        for at in (whole..width).step_by(S::LANES) {
            let mut sum = simd.splat(0.0);
            for row in rows.chunks_exact(width) {
                sum = simd.add(sum, load(simd, row, at));
            }
            store(simd, to, at, sum);
        }
    }
}
