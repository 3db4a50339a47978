//! Sums of parts of the keys, and how they merge.

use super::super::problem::Shape;
use super::super::schedule::SharedPtr;
use super::super::simd::Real;
use super::Pass;

/// The sums of parts of the keys.
#[derive(Clone, Copy)]
pub(super) struct Partial<T> {
    pub(super) start: SharedPtr<T>,
    pub(super) shape: Shape,
    pub(super) parts: usize,
}

impl<T: Copy> Partial<T> {
    /// Numbers of a row: its largest score, the sum of its weights, and that of its values.
    pub(super) fn size(shape: &Shape) -> usize {
        2 + shape.value_width
    }

    /// # Safety
    /// There must be such a row and part.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize, part: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.start.at((row * self.parts + part) * Self::size(&self.shape)) }
    }
}

/// Merges the parts of a row: each is relative to its own largest score.
pub(super) fn merge<T: Real>(pass: &Pass<T>, row: usize) {
    let Shape { heads, queries, value_width, .. } = pass.shape;
    // SAFETY: the tasks have written all parts of the row; no task is running.
    unsafe {
        let part = |part| std::slice::from_raw_parts(pass.partial.at(row, part), 2 + value_width);
        let unit = pass.scores.unit().unwrap_or(T::ONE);
        let parts = || (0..pass.parts).map(part);
        let largest =
            parts().map(|part| part[0]).fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a });
        let mut total = T::ZERO;
        let mut sums = vec![T::ZERO; value_width];
        // By the sum, not the largest score: that of NaN alone is -∞ too, and must not be lost.
        for part in parts().filter(|part| part[1] != T::ZERO) {
            let share = ((part[0] - largest) * (unit * T::LOG2_E)).exp2();
            total += part[1] * share;
            sums.iter_mut().zip(&part[2..]).for_each(|(sum, &x)| *sum += x * share);
        }
        let (b, h, i) = (row / queries / heads, row / queries % heads, row % queries);
        let to = std::slice::from_raw_parts_mut(pass.context.row(b, h, i), value_width);
        let share = if total == T::ZERO { T::ZERO } else { pass.kept() / total };
        to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum * share);
        pass.write_statistics(row, largest * unit, total);
    }
}
