//! Dilation: every so-many-th key.

use super::pattern::Pattern;
use super::{AttentionShape, Tile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

/// `step` divides `p - j`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Dilated(pub(super) NonZeroUsize);

impl Dilated {
    /// Signed, as positions are. No two positions lie further apart than this saturates at.
    fn step(&self) -> isize {
        isize::try_from(self.0.get()).unwrap_or(isize::MAX)
    }
}

impl Pattern for Dilated {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [1, 1, shape.queries, shape.keys]
    }

    fn sees(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, j: usize) -> bool {
        (shape.position(i) - j as isize) % self.step() == 0
    }

    fn fill(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, row: &mut [bool]) {
        let first = shape.position(i).rem_euclid(self.step()) as usize;
        row.iter_mut().skip(first).step_by(self.0.get()).for_each(|cell| *cell = true);
    }

    /// Exact: the distances in a tile are neighbours, so that they are few or hold a multiple.
    fn tile(
        &self,
        shape: &AttentionShape,
        _b: usize,
        _h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        let nearest = shape.position(rows.start) - (cols.end as isize - 1);
        let farthest = shape.position(rows.end - 1) - cols.start as isize;
        let multiple = farthest - farthest.rem_euclid(self.step());
        if multiple < nearest {
            Tile::Empty
        } else if self.step() == 1 || nearest == farthest {
            Tile::Full
        } else {
            Tile::Partial
        }
    }

    fn bits(&self, shape: &AttentionShape, _b: usize, _h: usize, i: usize, first: usize) -> u64 {
        let nearest = (shape.position(i) - first as isize).rem_euclid(self.step());
        if nearest >= 64 {
            return 0;
        }
        // Bits 0, step, 2 step, …: each round doubles their number.
        let (mut bits, mut reach) = (1_u64, self.0.get());
        while reach < 64 {
            bits |= bits << reach;
            reach *= 2;
        }
        bits << nearest
    }
}

impl fmt::Display for Dilated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dilated({})", self.0)
    }
}
