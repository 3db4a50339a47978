//! A mask as a kernel asks about it.

use super::kind::Node;
use super::{AttentionShape, Mask, Tile, bits};
use attn_kernels::Visibility;
use std::ops::Range;

/// A mask and the shape that it was found to fit, made by [`Mask::bind`]: what a kernel asks about
/// tile by tile, and, in tiles that are partly visible, 64 pairs at a time.
#[derive(Clone, Debug)]
pub struct Bound {
    mask: Mask,
    shape: AttentionShape,
}

impl Mask {
    /// The mask of this shape, as [`attn_kernels`] take it.
    ///
    /// ```
    /// use attn_core::{AttentionShape, Mask};
    /// use attn_kernels::Visibility;
    ///
    /// let shape = AttentionShape { batch: 1, heads: 1, queries: 5, keys: 5 };
    /// let causal = Mask::causal().bind(&shape);
    /// assert_eq!(causal.bits(0, 0, 2, 0), 0b00111); // query 2 sees keys 0, 1 and 2
    /// ```
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub fn bind(&self, shape: &AttentionShape) -> Bound {
        self.assert_fits(shape);
        Bound { mask: self.clone(), shape: *shape }
    }

    /// What query `i` sees of the 64 keys from `first`, where there are such keys: beyond them the
    /// bits may be anything.
    fn bits(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, first: usize) -> u64 {
        let bits = |mask: &Mask| mask.bits(shape, b, h, i, first);
        match self.node() {
            Node::Pattern(pattern) => pattern.bits(shape, b, h, i, first),
            Node::Not(mask) => !bits(mask),
            Node::And(masks) => masks.iter().fold(u64::MAX, |all, mask| all & bits(mask)),
            Node::Or(masks) => masks.iter().fold(0, |any, mask| any | bits(mask)),
        }
    }
}

impl Visibility for Bound {
    fn dims(&self) -> [usize; 4] {
        self.mask.dims(&self.shape)
    }

    fn tile(&self, batch: usize, head: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        self.mask.classify(&self.shape, batch, head, rows, cols)
    }

    fn bits(&self, batch: usize, head: usize, query: usize, first: usize) -> u64 {
        let exist = bits::ones(self.shape.keys.saturating_sub(first));
        self.mask.bits(&self.shape, batch, head, query, first) & exist
    }
}
