//! Global tokens: a few that everyone sees, and that see everyone.

use super::art::List;
use super::pattern::{Pattern, check_entries, entry, fixed};
use super::{AttentionShape, Tile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// `p` or `j` is among the positions.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<usize>>", into = "Vec<Vec<usize>>")]
pub(super) struct Global {
    /// Of each batch row, ascending and each once.
    positions: Vec<Vec<usize>>,
}

impl Global {
    pub(super) fn rows(&self) -> usize {
        self.positions.len()
    }

    pub(super) fn select(&self, pick: impl Fn(&[Vec<usize>]) -> Vec<Vec<usize>>) -> Self {
        Self { positions: pick(&self.positions) }
    }

    /// The global positions of batch row `b` from `first` on.
    fn from(&self, b: usize, first: usize) -> &[usize] {
        let positions = entry(&self.positions, b);
        &positions[positions.partition_point(|&position| position < first)..]
    }

    /// How many of these positions are global.
    fn count(&self, b: usize, range: &Range<usize>) -> usize {
        self.from(b, range.start).len() - self.from(b, range.end).len()
    }

    fn is_global(&self, b: usize, position: isize) -> bool {
        usize::try_from(position).is_ok_and(|p| entry(&self.positions, b).binary_search(&p).is_ok())
    }
}

impl From<Vec<Vec<usize>>> for Global {
    fn from(mut positions: Vec<Vec<usize>>) -> Self {
        for row in &mut positions {
            row.sort_unstable();
            row.dedup();
        }
        Self { positions }
    }
}

impl From<Global> for Vec<Vec<usize>> {
    fn from(global: Global) -> Self {
        global.positions
    }
}

impl Pattern for Global {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [self.rows(), 1, shape.queries, shape.keys]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        check_entries("global", self.rows(), shape)
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        [fixed(self.rows()), None, None, None]
    }

    fn sees(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, j: usize) -> bool {
        self.is_global(b, shape.position(i)) || self.is_global(b, j as isize)
    }

    fn fill(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, row: &mut [bool]) {
        if self.is_global(b, shape.position(i)) {
            row.fill(true);
            return;
        }
        let keys = row.len();
        self.from(b, 0).iter().take_while(|&&j| j < keys).for_each(|&j| row[j] = true);
    }

    /// Exact, by counting the global positions among rows and columns.
    fn tile(
        &self,
        shape: &AttentionShape,
        b: usize,
        _h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        // Positions before the first key are no token, and so none of them is global.
        let position = |i: usize| shape.position(i).max(0) as usize;
        let positions = position(rows.start)..position(rows.end);
        let (queries, keys) = (self.count(b, &positions), self.count(b, &cols));
        if queries == rows.len() || keys == cols.len() {
            Tile::Full
        } else if queries == 0 && keys == 0 {
            Tile::Empty
        } else {
            Tile::Partial
        }
    }

    fn bits(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, first: usize) -> u64 {
        if self.is_global(b, shape.position(i)) {
            return u64::MAX;
        }
        let near = self.from(b, first).iter().map(|j| j - first).take_while(|&k| k < 64);
        near.fold(0, |bits, k| bits | 1 << k)
    }
}

impl fmt::Display for Global {
    /// `global(0 + 5, 3)`: two rows, of two global tokens and of one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |positions: &Vec<usize>| {
            positions.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ")
        };
        let rows: Vec<_> = self.positions.iter().map(row).collect();
        write!(f, "global({})", List(&rows))
    }
}
