//! A mask's meaning, pair by pair, and whether it fits a shape.

use super::kind::Node;
use super::{AttentionShape, Mask};

impl Mask {
    /// Whether query `i` of head `h` in batch row `b` may look at key `j`.
    ///
    /// # Panics
    /// If an index is out of range, or a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub fn is_visible(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        i: usize,
        j: usize,
    ) -> bool {
        self.assert_fits(shape);
        let AttentionShape { batch, heads, queries, keys } = *shape;
        assert!(
            b < batch && h < heads && i < queries && j < keys,
            "pair {:?} is outside of {:?}",
            [b, h, i, j],
            [batch, heads, queries, keys]
        );
        self.sees(shape, b, h, i, j)
    }

    /// [`is_visible`](Self::is_visible) of a shape and indices that are known to fit.
    pub(super) fn sees(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        i: usize,
        j: usize,
    ) -> bool {
        match self.node() {
            Node::Pattern(pattern) => pattern.sees(shape, b, h, i, j),
            Node::Not(mask) => !mask.sees(shape, b, h, i, j),
            Node::And(masks) => masks.iter().all(|mask| mask.sees(shape, b, h, i, j)),
            Node::Or(masks) => masks.iter().any(|mask| mask.sees(shape, b, h, i, j)),
        }
    }

    /// Whether every list and matrix in the mask fits the shape; else the first that does not.
    pub(super) fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        match self.node() {
            Node::Pattern(pattern) => pattern.check(shape),
            Node::Not(mask) => mask.check(shape),
            Node::And(masks) | Node::Or(masks) => {
                masks.iter().try_for_each(|mask| mask.check(shape))
            }
        }
    }

    #[track_caller]
    pub(super) fn assert_fits(&self, shape: &AttentionShape) {
        if let Err(misfit) = self.check(shape) {
            panic!("{misfit}");
        }
    }
}
