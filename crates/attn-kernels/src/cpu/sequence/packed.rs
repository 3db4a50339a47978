//! A matrix that all steps multiply by, packed once.

use super::super::chunks::for_each_chunk;
use super::super::product::{Operands, product};
use super::super::simd::{Isa, Op, Real, Simd};

/// Rows of a matrix that are multiplied with at once: with a panel of so many, and a tile of what is
/// multiplied, the first-level cache is about full.
const DEPTH: usize = 256;

/// A matrix in panels of two vectors' width: each has all rows, one behind the other, and zeros
/// behind the last column.
#[derive(Debug)]
pub(super) struct Packed {
    data: Vec<f32>,
    depth: usize,
    columns: usize,
    wide: usize,
}

/// Rows to multiply with a matrix, `apart` elements from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftRows {
    pub first: *const f32,
    pub apart: usize,
}

/// Where a product goes: rows `apart` elements from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub first: *mut f32,
    pub apart: usize,
}

impl Packed {
    /// Packs the matrix of `depth` × `columns` whose element `(i, j)` is `data[i · row + j · column]`.
    ///
    /// # Panics
    /// If an element is not within the data.
    pub(super) fn new(
        isa: Isa,
        data: &[f32],
        [depth, columns]: [usize; 2],
        [row, column]: [usize; 2],
    ) -> Self {
        let wide = f32::run(isa, Wide);
        let mut panels = vec![0.0; columns.div_ceil(wide) * depth * wide];
        // Elements of a transposed matrix come from as many lines as a panel is wide.
        let work = depth * columns * if column == 1 { 1 } else { 8 };
        for_each_chunk([&mut panels], [depth * wide], work, |panel, [to]| {
            let count = wide.min(columns - panel * wide);
            for (i, to) in to.chunks_exact_mut(wide).enumerate() {
                let from = &data[i * row + panel * wide * column..];
                if column == 1 {
                    to[..count].copy_from_slice(&from[..count]);
                } else {
                    let from = from.iter().step_by(column);
                    to[..count].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        });
        Self { data: panels, depth, columns, wide }
    }

    /// Columns of a panel.
    pub(super) fn wide(&self) -> usize {
        self.wide
    }

    pub(super) fn panels(&self) -> usize {
        self.columns.div_ceil(self.wide)
    }

    /// The product of `rows` rows with a panel.
    ///
    /// An element is summed in the same order whatever other rows there are.
    ///
    /// # Safety
    /// The rows must be readable as far as the matrix has rows for them, and `rows` rows of
    /// [`wide`](Self::wide) elements writable, which no other thread may touch meanwhile. The panel must
    /// be packed for this instruction set, and be one of [`panels`](Self::panels).
    #[inline(always)]
    pub(super) unsafe fn times<S: Simd<T = f32>>(
        &self,
        simd: S,
        panel: usize,
        left: LeftRows,
        rows: usize,
        to: Target,
    ) {
        debug_assert_eq!(self.wide, 2 * S::LANES);
        let vectors = if self.columns - panel * self.wide > S::LANES { 2 } else { 1 };
        for start in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - start);
            let mut row = 0;
            while row < rows {
                let count = tile::<S>(rows - row);
                // SAFETY: the caller's promise; the panel is within what was packed.
                unsafe {
                    let operands = Operands {
                        a: left.first.add(row * left.apart + start),
                        a_row: left.apart,
                        a_col: 1,
                        b: self.data.as_ptr().add((panel * self.depth + start) * self.wide),
                        b_row: self.wide,
                        depth,
                        c: to.first.add(row * to.apart),
                        c_row: to.apart,
                    };
                    product(simd, count, vectors, start > 0, operands);
                }
                row += count;
            }
        }
    }
}

/// Rows of the next tile when `left` remain.
#[inline(always)]
fn tile<S: Simd>(left: usize) -> usize {
    let unit = S::ROWS / 3;
    match left / unit {
        0 => left.min(3),
        units => units.min(3) * unit,
    }
}

/// The width of a panel.
struct Wide;

impl Op<f32> for Wide {
    type Output = usize;

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, _: S) -> usize {
        2 * S::LANES
    }
}
