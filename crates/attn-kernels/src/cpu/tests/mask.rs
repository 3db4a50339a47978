//! Masks of the cases.

use crate::parameters::{Tile, Visibility};
use crate::random::combine;
use std::ops::Range;

/// Which mask a case has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Open,
    Causal,
    /// The last so many keys up to the query's position.
    Window(usize),
    /// Bits without a pattern, in some batch rows and heads; every seventh query sees nothing.
    Noise(u64),
}

#[derive(Debug)]
pub(super) struct Mask {
    pub(super) kind: Kind,
    pub(super) queries: usize,
    pub(super) keys: usize,
}

impl Visibility for Mask {
    fn dims(&self) -> [usize; 4] {
        match self.kind {
            Kind::Noise(_) => [usize::MAX, usize::MAX, self.queries, self.keys].map(|n| n.min(9)),
            _ => [1, 1, self.queries, self.keys],
        }
    }

    fn tile(&self, b: usize, h: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        let sees = |i, j: usize| self.bits(b, h, i, j - j % 64) >> (j % 64) & 1 == 1;
        let mut pairs = rows.flat_map(|i| cols.clone().map(move |j| sees(i, j)));
        let first = pairs.next().expect("a tile is not empty");
        match (first, pairs.all(|other| other == first)) {
            (_, false) => Tile::Partial,
            (true, true) => Tile::Full,
            (false, true) => Tile::Empty,
        }
    }

    fn bits(&self, b: usize, h: usize, i: usize, first: usize) -> u64 {
        let position = (self.keys + i) as isize - self.queries as isize;
        let sees = |j: usize| match self.kind {
            Kind::Open => true,
            Kind::Causal => j as isize <= position,
            Kind::Window(left) => (position - left as isize..=position).contains(&(j as isize)),
            Kind::Noise(seed) => {
                let row = combine(combine(seed, (b * 31 + h) as u64), i as u64);
                i % 7 != 3 && combine(row, j as u64).is_multiple_of(3)
            }
        };
        (first..self.keys.min(first + 64)).filter(|&j| sees(j)).map(|j| 1 << (j - first)).sum()
    }
}
