//! Tiles: what a kernel needs to know before it computes one.

use super::kind::Node;
use super::{AttentionShape, Mask};
use attn_kernels::Tile;
use std::ops::Range;

/// Class of these rows of pairs; stops at the first that settles it.
pub(super) fn of<'a>(rows: impl Iterator<Item = &'a [bool]>) -> Tile {
    let (mut shown, mut hidden) = (false, false);
    for row in rows {
        // Without a stop inside of the row, so that the compiler takes many pairs at a time.
        shown |= row.iter().fold(false, |any, &visible| any | visible);
        hidden |= row.iter().fold(false, |any, &visible| any | !visible);
        if shown && hidden {
            return Tile::Partial;
        }
    }
    if shown { Tile::Full } else { Tile::Empty }
}

/// Class of the pairs in both; `Partial` and `Partial` may be anything.
fn and(left: Tile, right: Tile) -> Tile {
    match (left, right) {
        (Tile::Empty, _) | (_, Tile::Empty) => Tile::Empty,
        (Tile::Full, Tile::Full) => Tile::Full,
        _ => Tile::Partial,
    }
}

/// Class of the pairs in either.
fn or(left: Tile, right: Tile) -> Tile {
    not(and(not(left), not(right)))
}

/// Class of the same pairs, each turned over.
fn not(tile: Tile) -> Tile {
    match tile {
        Tile::Empty => Tile::Full,
        Tile::Full => Tile::Empty,
        Tile::Partial => Tile::Partial,
    }
}

impl Mask {
    /// Class of the tile `rows` × `cols` (queries and keys) of head `h` in batch row `b`; a tile
    /// without pairs is `Empty`.
    ///
    /// `Empty` and `Full` are always true. Every mask that is no combination is classified exactly,
    /// in closed form (documents and blocks by looking at those that the tile touches, explicit
    /// matrices by reading the tile), and so is its negation. Combinations with `&` and `|` follow
    /// from the classes of their parts: `Partial` then also means "unknown", where two parts are
    /// partial and could between them hide, or show, everything.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask, Tile};
    /// let shape = AttentionShape { batch: 1, heads: 1, queries: 1000, keys: 1000 };
    /// let mask = Mask::causal();
    /// assert_eq!(mask.tile(&shape, 0, 0, 128..256, 0..128), Tile::Full);
    /// assert_eq!(mask.tile(&shape, 0, 0, 128..256, 128..256), Tile::Partial);
    /// assert_eq!(mask.tile(&shape, 0, 0, 128..256, 256..384), Tile::Empty);
    /// ```
    ///
    /// # Panics
    /// If the tile is not within the shape, or a list or matrix of the mask does not fit it.
    #[track_caller]
    pub fn tile(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        self.assert_fits(shape);
        let AttentionShape { batch, heads, queries, keys } = *shape;
        assert!(
            b < batch && h < heads && rows.end <= queries && cols.end <= keys,
            "tile [{b}, {h}, {rows:?}, {cols:?}] is outside of {:?}",
            [batch, heads, queries, keys]
        );
        if rows.is_empty() || cols.is_empty() {
            return Tile::Empty;
        }
        self.classify(shape, b, h, rows, cols)
    }

    /// Whether the mask hides nothing of this shape, told from its tiles: `true` is always right,
    /// `false` may mean "unknown" as [`Tile::Partial`] does.
    ///
    /// A decoder's step is the case that counts: one query under a causal mask sees every key.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let step = AttentionShape { batch: 2, heads: 3, queries: 1, keys: 7 };
    /// assert!(Mask::causal().is_open_for(&step));
    /// assert!(!Mask::causal().is_open_for(&AttentionShape { queries: 2, ..step }));
    /// ```
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub fn is_open_for(&self, shape: &AttentionShape) -> bool {
        let [batch, heads, _, _] = self.lowered_dims(shape);
        let AttentionShape { queries, keys, .. } = *shape;
        let whole = |b, h| self.classify(shape, b, h, 0..queries, 0..keys);
        queries == 0
            || keys == 0
            || (0..batch).all(|b| (0..heads).all(|h| whole(b, h) == Tile::Full))
    }

    /// [`tile`](Self::tile) of what is known to fit and to hold pairs.
    pub(super) fn classify(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        let tile = |mask: &Mask| mask.classify(shape, b, h, rows.clone(), cols.clone());
        match self.node() {
            Node::Pattern(pattern) => pattern.tile(shape, b, h, rows, cols),
            Node::Not(mask) => not(tile(mask)),
            Node::And(masks) => masks.iter().map(tile).fold(Tile::Full, and),
            Node::Or(masks) => masks.iter().map(tile).fold(Tile::Empty, or),
        }
    }
}
