//! Rows of a table, and the sums of their gradients.

use super::chunks::{Uninit, fill_chunks, load, store};
use super::simd::{Isa, Op, Real, Simd};
use std::mem::MaybeUninit;

/// Rows of a task.
const CHUNK: usize = 32;

/// Rows of a table, one behind the other.
///
/// # Panics
/// If the table has not so many.
pub(crate) fn forward(table: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    let count = rows.len() * width;
    // SAFETY: a chunk writes all of its rows.
    let [found] = unsafe {
        fill_chunks([count], [CHUNK * width], count, |index, [to]| {
            let rows = &rows[index * CHUNK..];
            for (to, row) in to.chunks_exact_mut(width).zip(rows) {
                let row = &table[row * width..][..width];
                to.iter_mut().zip(row).for_each(|(to, from)| _ = to.write(*from));
            }
        })
    };
    found
}

/// The gradient of a table of `[v, width]`: for each row the sum of the gradients of its copies, in
/// their order.
///
/// # Panics
/// If the table has not so many rows.
pub(crate) fn backward(
    isa: Isa,
    gradient: &[f32],
    rows: &[usize],
    [v, width]: [usize; 2],
) -> Vec<f32> {
    let copies = Copies::of(rows, v);
    let count = v * width;
    // SAFETY: a chunk writes all of its rows, with zeros where there are no copies.
    let [of_table] = unsafe {
        fill_chunks([count], [CHUNK * width], count + gradient.len(), |index, [to]| {
            for (row, to) in to.chunks_exact_mut(width).enumerate() {
                let copies = copies.of_row(index * CHUNK + row);
                if copies.is_empty() {
                    to.fill(MaybeUninit::new(0.0));
                } else {
                    f32::run(isa, Sum { gradient, copies, width, to });
                }
            }
        })
    };
    of_table
}

/// Where each row of a table was copied to.
struct Copies {
    /// Of the first copy of each row, and of the end.
    starts: Vec<usize>,
    places: Vec<usize>,
}

impl Copies {
    /// Sorted by counting, which keeps the order among equals.
    fn of(rows: &[usize], v: usize) -> Self {
        let mut starts = vec![0; v + 1];
        rows.iter().for_each(|&row| starts[row + 1] += 1);
        (0..v).for_each(|row| starts[row + 1] += starts[row]);
        let mut next = starts.clone();
        let mut places = vec![0; rows.len()];
        for (place, &row) in rows.iter().enumerate() {
            places[next[row]] = place;
            next[row] += 1;
        }
        Self { starts, places }
    }

    fn of_row(&self, row: usize) -> &[usize] {
        &self.places[self.starts[row]..self.starts[row + 1]]
    }
}

struct Sum<'a> {
    gradient: &'a [f32],
    copies: &'a [usize],
    width: usize,
    to: &'a mut Uninit,
}

impl Op<f32> for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { gradient, copies, width, to } = self;
        for at in (0..width).step_by(S::LANES) {
            let mut sum = simd.splat(0.0);
            for &copy in copies {
                sum = simd.add(sum, load(simd, &gradient[copy * width..][..width], at));
            }
            store(simd, to, at, sum);
        }
    }
}
