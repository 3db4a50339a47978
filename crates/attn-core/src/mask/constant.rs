//! The two masks that say the same of every pair.

use super::pattern::Pattern;
use super::{AttentionShape, Tile};
use std::fmt;
use std::ops::Range;

/// Everything is visible, or nothing.
pub(super) struct Constant(pub(super) bool);

impl Pattern for Constant {
    fn dims(&self, _shape: &AttentionShape) -> [usize; 4] {
        [1; 4]
    }

    fn sees(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, _j: usize) -> bool {
        self.0
    }

    fn fill(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, row: &mut [bool]) {
        row.fill(self.0);
    }

    fn tile(
        &self,
        _shape: &AttentionShape,
        _b: usize,
        _h: usize,
        _rows: Range<usize>,
        _cols: Range<usize>,
    ) -> Tile {
        if self.0 { Tile::Full } else { Tile::Empty }
    }

    fn bits(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, _first: usize) -> u64 {
        if self.0 { u64::MAX } else { 0 }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "open" } else { "nothing" })
    }
}
