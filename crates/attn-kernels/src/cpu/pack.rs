//! Rows of memory, and copies of them in the order in which products read them.

use super::simd::{LINE, Real, Simd};

/// Rows of neighboring numbers, `row` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<T> {
    pub start: *const T,
    pub row: usize,
}

impl<T> Rows<T> {
    /// The rows from this one on, which need not exist as long as they are not read.
    #[inline(always)]
    pub fn beyond(self, index: usize) -> Self {
        Self { start: self.start.wrapping_add(index * self.row), ..self }
    }

    /// The rows from this one on.
    ///
    /// # Safety
    /// There must be such a row.
    #[inline(always)]
    pub unsafe fn from(self, index: usize) -> Self {
        // SAFETY: the caller's promise.
        Self { start: unsafe { self.start.add(index * self.row) }, ..self }
    }
}

/// Width of a row that is filled up to whole vectors.
#[inline(always)]
pub(super) fn padded<S: Simd>(width: usize) -> usize {
    width.next_multiple_of(S::LANES)
}

/// Packs `count` rows of `width` numbers, transposed, into panels two vectors wide: panel `p` is
/// `width` rows, of which row `k` holds number `k` of the rows `2 · LANES · p` and on; 0 where there
/// is no row.
///
/// # Safety
/// The rows must be readable.
#[inline(always)]
pub(super) unsafe fn pack_transposed<S: Simd>(
    simd: S,
    rows: Rows<S::T>,
    count: usize,
    width: usize,
    to: &mut [S::T],
) {
    let panel = 2 * S::LANES;
    let to = &mut to[..count.next_multiple_of(panel) * width];
    let whole_width = width - width % S::LANES;
    let whole_count = count - count % S::LANES;
    for first in (0..whole_count).step_by(S::LANES) {
        let start = first / panel * panel * width + first % panel;
        for column in (0..whole_width).step_by(S::LANES) {
            // SAFETY: `LANES` rows and columns are left from here on. They end at row `first % panel +
            // LANES` of column `column + LANES` of a panel that is within the buffer.
            unsafe {
                let from = rows.from(first).start.add(column);
                simd.transpose(from, rows.row, to.as_mut_ptr().add(start + column * panel), panel);
            }
        }
    }
    // What does not fill a square, number by number.
    for index in 0..count.next_multiple_of(panel) {
        let columns = if index < whole_count { whole_width..width } else { 0..width };
        let start = index / panel * panel * width + index % panel;
        for column in columns {
            let mut x = S::T::ZERO;
            if index < count {
                // SAFETY: one of the rows that the caller promises.
                x = unsafe { *rows.from(index).start.add(column) };
            }
            to[start + column * panel] = x;
        }
    }
}

/// Packs `count` rows of `width` numbers into panels two vectors wide, the last one vector wide if
/// that is enough: panel `p` is `count` rows of what is in the columns `2 · LANES · p` and on; 0
/// where there is no column.
///
/// # Safety
/// The rows must be readable.
#[inline(always)]
pub(super) unsafe fn pack_panels<S: Simd>(
    simd: S,
    rows: Rows<S::T>,
    count: usize,
    width: usize,
    to: &mut [S::T],
) {
    for (column, vectors) in panels::<S>(width) {
        let wide = vectors * S::LANES;
        let to = &mut to[column * count..][..count * wide];
        for (index, to) in to.chunks_exact_mut(wide).enumerate() {
            // SAFETY: one of the rows that the caller promises.
            let from = unsafe { rows.from(index).start.add(column) };
            if column + wide <= width {
                for v in 0..vectors {
                    // SAFETY: whole vectors of the row, and of `wide` numbers of the buffer.
                    unsafe {
                        let x = simd.load(from.add(v * S::LANES));
                        simd.store(to.as_mut_ptr().add(v * S::LANES), x);
                    }
                }
            } else {
                for (k, to) in to.iter_mut().enumerate() {
                    // SAFETY: only columns that exist are read.
                    *to = if column + k < width { unsafe { *from.add(k) } } else { S::T::ZERO };
                }
            }
        }
    }
}

/// First column and width in vectors of each panel of a row of `width` numbers.
#[inline(always)]
pub(super) fn panels<S: Simd>(width: usize) -> impl Iterator<Item = (usize, usize)> {
    let full = padded::<S>(width);
    (0..full)
        .step_by(2 * S::LANES)
        .map(move |column| (column, if column + S::LANES < full { 2 } else { 1 }))
}

/// Copies `count` rows of `width` numbers into rows filled up to whole vectors with 0.
///
/// # Safety
/// The rows must be readable.
#[inline(always)]
pub(super) unsafe fn copy_rows<S: Simd>(
    simd: S,
    rows: Rows<S::T>,
    count: usize,
    width: usize,
    to: &mut [S::T],
) {
    let full = padded::<S>(width);
    let whole = width - width % S::LANES;
    for (index, to) in to[..count * full].chunks_exact_mut(full).enumerate() {
        // SAFETY: one of the rows that the caller promises.
        let from = unsafe { rows.from(index).start };
        for column in (0..whole).step_by(S::LANES) {
            // SAFETY: whole vectors of a row, and of the buffer.
            unsafe { simd.store(to.as_mut_ptr().add(column), simd.load(from.add(column))) };
        }
        for (column, to) in to.iter_mut().enumerate().skip(whole) {
            // SAFETY: only columns that exist are read.
            *to = if column < width { unsafe { *from.add(column) } } else { S::T::ZERO };
        }
    }
}

/// Whether all of `count` rows of `width` numbers are finite.
///
/// # Safety
/// The rows must be readable.
#[inline(always)]
pub(super) unsafe fn all_finite<S: Simd>(
    simd: S,
    rows: Rows<S::T>,
    count: usize,
    width: usize,
) -> bool {
    let whole = width - width % S::LANES;
    let zero = simd.splat(S::T::ZERO);
    // A finite number times 0 is 0, and all others are NaN.
    let mut sums = [zero; 2];
    let mut rest = true;
    for index in 0..count {
        // SAFETY: one of the rows that the caller promises, whole vectors and then the rest.
        unsafe {
            let from = rows.from(index).start;
            for column in (0..whole).step_by(S::LANES) {
                let sum = &mut sums[column / S::LANES % 2];
                *sum = simd.fma(simd.load(from.add(column)), zero, *sum);
            }
            for column in whole..width {
                rest &= (*from.add(column)).is_finite();
            }
        }
    }
    rest && simd.sum(simd.add(sums[0], sums[1])) == S::T::ZERO
}

/// Sum of products of two rows of `width` numbers.
///
/// # Safety
/// Both must be readable.
#[inline(always)]
pub(super) unsafe fn dot<S: Simd>(simd: S, a: *const S::T, b: *const S::T, width: usize) -> S::T {
    let whole = width - width % S::LANES;
    let mut sum = simd.splat(S::T::ZERO);
    // SAFETY: whole vectors of both rows, and then the rest.
    unsafe {
        for column in (0..whole).step_by(S::LANES) {
            sum = simd.fma(simd.load(a.add(column)), simd.load(b.add(column)), sum);
        }
        let mut sum = simd.sum(sum);
        for column in whole..width {
            sum += *a.add(column) * *b.add(column);
        }
        sum
    }
}

/// [`dot`] of a row with four others, at the same time: a sum waits for its last addition.
///
/// # Safety
/// All must be readable.
#[inline(always)]
pub(super) unsafe fn dot_of_four<S: Simd>(
    simd: S,
    a: *const S::T,
    b: Rows<S::T>,
    width: usize,
) -> [S::T; 4] {
    let whole = width - width % S::LANES;
    let mut sums = [simd.splat(S::T::ZERO); 4];
    // SAFETY: whole vectors of the rows, and then the rest.
    unsafe {
        for column in (0..whole).step_by(S::LANES) {
            let x = simd.load(a.add(column));
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = simd.fma(x, simd.load(b.from(k).start.add(column)), *sum);
            }
        }
        // Loops in place of closures, which would not be compiled for the instruction set.
        let mut products = [S::T::ZERO; 4];
        for (k, product) in products.iter_mut().enumerate() {
            *product = simd.sum(sums[k]);
            let row = b.from(k).start;
            for column in whole..width {
                *product += *a.add(column) * *row.add(column);
            }
        }
        products
    }
}

/// Asks for `count` rows that will be read soon; whether there are any does not matter.
#[inline(always)]
pub(super) fn prefetch_rows<S: Simd>(simd: S, rows: Rows<S::T>, count: usize, width: usize) {
    for row in 0..count {
        for column in (0..width).step_by(LINE / size_of::<S::T>()) {
            simd.prefetch(rows.start.wrapping_add(row * rows.row + column));
        }
    }
}

/// Writes a row, scaled.
///
/// # Safety
/// `to` must have room for it.
#[inline(always)]
pub(super) unsafe fn write<S: Simd>(simd: S, from: &[S::T], scale: S::T, to: *mut S::T) {
    let whole = from.len() - from.len() % S::LANES;
    // SAFETY: whole vectors of the row, and then the rest.
    unsafe {
        for column in (0..whole).step_by(S::LANES) {
            let x = simd.load(from.as_ptr().add(column));
            simd.store(to.add(column), simd.mul(x, simd.splat(scale)));
        }
        for (column, &x) in from.iter().enumerate().skip(whole) {
            *to.add(column) = x * scale;
        }
    }
}
