//! Masks for the eye: an expression, and a picture of text.

use super::kind::Node;
use super::{AttentionShape, Mask};
use std::fmt;

/// Side of the picture that a mask without a shape of its own is printed with.
const SKETCH: usize = 8;
/// Rows and columns of a printed mask, beyond which it is cut.
const SKETCH_LIMIT: usize = 32;
/// Entries of a list that an expression shows.
const LIST_LIMIT: usize = 8;

/// A mask drawn as text: a row per query, a character per pair, `■` where it is visible and `·`
/// where it is hidden. Made by [`Mask::art`].
#[derive(Clone, Debug)]
pub struct Art<'a> {
    mask: &'a Mask,
    shape: AttentionShape,
    batch: usize,
    head: usize,
    limit: usize,
}

impl Mask {
    /// The mask as text, of the first head in the first batch row.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let shape = AttentionShape { batch: 2, heads: 3, queries: 2, keys: 5 };
    /// let mask = Mask::padding([5, 3]);
    /// assert_eq!(mask.art(&shape).to_string(), "■■■■■\n■■■■■\n");
    /// assert_eq!(mask.art(&shape).at(1, 0).to_string(), "■■■··\n■■■··\n");
    /// ```
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape, or that has no batch row or head.
    #[track_caller]
    pub fn art(&self, shape: &AttentionShape) -> Art<'_> {
        self.assert_fits(shape);
        Art { mask: self, shape: *shape, batch: 0, head: 0, limit: usize::MAX }.at(0, 0)
    }

    /// A shape to print the mask with: where its lists and matrices do not say, one batch row, one
    /// head, and a square.
    fn sketch_shape(&self) -> AttentionShape {
        let [batch, heads, queries, keys] = self.own_sizes();
        AttentionShape {
            batch: batch.unwrap_or(1),
            heads: heads.unwrap_or(1),
            queries: queries.or(keys).unwrap_or(SKETCH),
            keys: keys.or(queries).unwrap_or(SKETCH),
        }
    }

    /// The first size of each kind that a part of the mask asks for.
    fn own_sizes(&self) -> [Option<usize>; 4] {
        match self.node() {
            Node::Pattern(pattern) => pattern.own_sizes(),
            Node::Not(mask) => mask.own_sizes(),
            Node::And(masks) | Node::Or(masks) => {
                let first = |all: [Option<usize>; 4], mask: &Mask| {
                    let own = mask.own_sizes();
                    std::array::from_fn(|axis| all[axis].or(own[axis]))
                };
                masks.iter().fold([None; 4], first)
            }
        }
    }

    /// The expression that the mask is, in one line.
    fn write_expression(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node() {
            Node::Pattern(pattern) => write!(f, "{pattern}"),
            Node::Not(mask) => {
                f.write_str("!")?;
                mask.write_operand(f)
            }
            Node::And(masks) => write_operands(f, masks, " & "),
            Node::Or(masks) => write_operands(f, masks, " | "),
        }
    }

    fn write_operand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.node(), Node::And(_) | Node::Or(_)) {
            return self.write_expression(f);
        }
        f.write_str("(")?;
        self.write_expression(f)?;
        f.write_str(")")
    }
}

fn write_operands(f: &mut fmt::Formatter<'_>, masks: &[Mask], operator: &str) -> fmt::Result {
    for (index, mask) in masks.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        mask.write_operand(f)?;
    }
    Ok(())
}

/// The expression, and a picture: 8 × 8, or of the size of a matrix in the mask, of which at most
/// 32 rows and columns are shown. Parts for different shapes have no picture in common, and none is
/// printed.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_expression(f)?;
        let shape = self.sketch_shape();
        if shape.batch == 0 || shape.heads == 0 || self.check(&shape).is_err() {
            return Ok(());
        }
        let art = Art { mask: self, shape, batch: 0, head: 0, limit: SKETCH_LIMIT };
        write!(f, "\n{art}")
    }
}

/// The expression.
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_expression(f)
    }
}

impl Art<'_> {
    /// The picture of another batch row and head.
    ///
    /// # Panics
    /// If there is no such row or head.
    #[track_caller]
    pub fn at(self, batch: usize, head: usize) -> Self {
        let AttentionShape { batch: rows, heads, .. } = self.shape;
        assert!(
            batch < rows && head < heads,
            "no batch row {batch}, head {head} in {rows} rows, {heads} heads"
        );
        Self { batch, head, ..self }
    }
}

impl fmt::Display for Art<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttentionShape { queries, keys, .. } = self.shape;
        for i in 0..queries.min(self.limit) {
            for j in 0..keys.min(self.limit) {
                let visible = self.mask.sees(&self.shape, self.batch, self.head, i, j);
                f.write_str(if visible { "■" } else { "·" })?;
            }
            f.write_str(if keys > self.limit { "…\n" } else { "\n" })?;
        }
        if queries > self.limit { f.write_str("…\n") } else { Ok(()) }
    }
}

/// The first entries of a list, and how many there are if that is more.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().take(LIST_LIMIT).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{entry}")?;
        }
        if self.0.len() > LIST_LIMIT { write!(f, ", … {} in all", self.0.len()) } else { Ok(()) }
    }
}
