//! Which keys of a block are visible to a few queries.

use super::problem::Shape;
use crate::parameters::{Tile, Visibility};
use std::ops::Range;

/// Keys of a cell: as many as a word has bits.
pub(super) const CELL: usize = 64;

/// Most queries that are classified at once: the rows of the largest tile of a product.
pub(super) const MAX_ROWS: usize = 12;

/// Which keys are visible to a few queries, of a block of at most `64 · N` keys, cell by cell.
#[derive(Clone, Debug)]
pub(super) struct Cells<const N: usize> {
    pub tiles: [Tile; N],
    /// Of a partial cell, and by row: bit `k` says that the query sees key `k` of the cell.
    pub bits: [[u64; MAX_ROWS]; N],
    /// From the first vector that holds a visible key to behind the last visible key, counted from
    /// the block's first.
    pub span: Range<usize>,
}

impl<const N: usize> Cells<N> {
    pub(super) const EMPTY: Self =
        Self { tiles: [Tile::Empty; N], bits: [[0; MAX_ROWS]; N], span: 0..0 };

    /// Classifies the cells of queries `rows` and keys `keys` of a head. `whole` is the class of something that
    /// contains them.
    #[inline(always)]
    pub(super) fn classify(
        &mut self,
        mask: Option<&dyn Visibility>,
        [b, h]: [usize; 2],
        rows: Range<usize>,
        keys: Range<usize>,
        whole: Tile,
        lanes: usize,
    ) {
        let count = keys.len();
        self.span = 0..count;
        let mask = if whole == Tile::Full { None } else { mask };
        let mut low = count;
        let mut high = 0;
        for (cell, first) in (0..count).step_by(CELL).enumerate() {
            let end = count.min(first + CELL);
            let all = u64::MAX >> (CELL - (end - first));
            let (mut seen, mut by_all) = (all, all);
            if let Some(mask) = mask {
                let cols = keys.start + first..keys.start + end;
                match mask.tile(b, h, rows.clone(), cols) {
                    Tile::Full => {}
                    Tile::Empty => (seen, by_all) = (0, 0),
                    Tile::Partial => {
                        seen = 0;
                        for (bits, i) in self.bits[cell].iter_mut().zip(rows.clone()) {
                            *bits = mask.bits(b, h, i, keys.start + first) & all;
                            seen |= *bits;
                            by_all &= *bits;
                        }
                    }
                }
            }
            self.tiles[cell] = if seen == 0 {
                Tile::Empty
            } else if by_all != all {
                Tile::Partial
            } else if !(end - first).is_multiple_of(lanes) {
                // The last vector reaches behind the keys.
                self.bits[cell] = [all; MAX_ROWS];
                Tile::Partial
            } else {
                Tile::Full
            };
            if seen != 0 {
                low = low.min(first + seen.trailing_zeros() as usize);
                high = first + CELL - seen.leading_zeros() as usize;
            }
        }
        self.span = if high == 0 { 0..0 } else { low - low % lanes..high };
    }
}

/// Class of a tile, if there is a mask.
#[inline(always)]
pub(super) fn tile_class(
    mask: Option<&dyn Visibility>,
    [b, h]: [usize; 2],
    rows: Range<usize>,
    keys: Range<usize>,
) -> Tile {
    mask.map_or(Tile::Full, |mask| mask.tile(b, h, rows, keys))
}

/// A mask, unless every query sees every key.
pub(super) fn unless_all_visible<'a>(
    mask: Option<&'a dyn Visibility>,
    shape: &Shape,
) -> Option<&'a dyn Visibility> {
    mask.filter(|mask| {
        let [batch, heads, ..] = mask.dims();
        let whole = |b, h| mask.tile(b, h, 0..shape.queries, 0..shape.keys) == Tile::Full;
        !(0..batch).all(|b| (0..heads).all(|h| whole(b, h)))
    })
}
