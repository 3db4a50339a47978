//! The matrix product of the kernels: a few rows by a panel of two vectors.

use super::simd::{Op, Real, Simd};

/// Operands of `C = A · B` or `C += A · B`, where `B` and `C` are a panel of one or two vectors wide.
///
/// The rows of `A` may lie in any direction, so that the same tile is read as itself and as its
/// transpose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operands<T> {
    /// `rows` × `depth`, elements `a_row` and `a_col` apart.
    pub a: *const T,
    pub a_row: usize,
    pub a_col: usize,
    /// `depth` rows, `b_row` apart, of neighboring elements.
    pub b: *const T,
    pub b_row: usize,
    pub depth: usize,
    /// `rows` rows, `c_row` apart, of neighboring elements.
    pub c: *mut T,
    pub c_row: usize,
}

/// Computes a tile of `rows` (3, 2 or 1 thirds of [`Simd::ROWS`], or 1 to 3) by `vectors` (1 or 2; of one
/// row also 4, because each of its sums waits for the last addition).
///
/// Each element is one chain of fused multiplications and additions in the order of `depth`, from
/// zero, and is then added to `C` if `add`: the same bits whatever tile it is part of.
///
/// # Safety
/// All elements of the operands, `rows`, `depth` and `vectors` wide, must be readable, and those of
/// `C` writable; no other thread may touch `C` meanwhile.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(
    simd: S,
    rows: usize,
    vectors: usize,
    add: bool,
    operands: Operands<S::T>,
) {
    macro_rules! tile {
        ($rows:literal) => {
            match (vectors, add) {
                (2, false) => simd.run(Tile::<_, $rows, 2, false>(operands)),
                (2, true) => simd.run(Tile::<_, $rows, 2, true>(operands)),
                (_, false) => simd.run(Tile::<_, $rows, 1, false>(operands)),
                (_, true) => simd.run(Tile::<_, $rows, 1, true>(operands)),
            }
        };
    }
    match rows {
        1 if vectors == 4 => match add {
            false => simd.run(Tile::<_, 1, 4, false>(operands)),
            true => simd.run(Tile::<_, 1, 4, true>(operands)),
        },
        12 => tile!(12),
        8 => tile!(8),
        6 => tile!(6),
        4 => tile!(4),
        3 => tile!(3),
        2 => tile!(2),
        1 => tile!(1),
        _ => unreachable!("a tile of {rows} rows"),
    }
}

struct Tile<T, const ROWS: usize, const VECTORS: usize, const ADD: bool>(Operands<T>);

impl<T: Real, const ROWS: usize, const VECTORS: usize, const ADD: bool> Op<T>
    for Tile<T, ROWS, VECTORS, ADD>
{
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(self, simd: S) {
        let Operands { a, a_row, a_col, b, b_row, depth, c, c_row } = self.0;
        let mut sums = [[simd.splat(T::ZERO); VECTORS]; ROWS];
        // SAFETY: `product` was promised that all of the operands may be read, and C written.
        unsafe {
            for k in 0..depth {
                let row = b.add(k * b_row);
                let mut right = [simd.splat(T::ZERO); VECTORS];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = simd.load(row.add(v * S::LANES));
                }
                let column = a.add(k * a_col);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let left = simd.splat(*column.add(r * a_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = simd.fma(left, right, *sum);
                    }
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let to = c.add(r * c_row + v * S::LANES);
                    let sum = if ADD { simd.add(simd.load(to), sum) } else { sum };
                    simd.store(to, sum);
                }
            }
        }
    }
}

/// Rows of the next tile when `left` remain: whole ones, and then what wastes least.
#[inline(always)]
pub(super) fn next_rows<S: Simd>(left: usize) -> usize {
    let unit = S::ROWS / 3;
    if left > 4 * unit {
        3 * unit
    } else if left > 3 * unit {
        2 * unit
    } else {
        left.div_ceil(unit) * unit
    }
}
