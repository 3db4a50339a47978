//! What the steps of a batch may see and where they stand: the two that must agree.

use crate::Positions;
use attn_core::Mask;

/// A mask and the positions that go with it.
///
/// Both name a step by its index among all steps so far, so one layout serves a whole batch of
/// sequences, its chunks and its single steps with a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Which steps each step may see.
    pub mask: Mask,
    /// The position of each step.
    pub positions: Positions,
}

impl Layout {
    /// Each step sees itself and those before: a language model over sequences that begin
    /// together. Shorter ones may end in padding, since no step sees what follows it.
    pub fn causal() -> Self {
        Mask::causal().into()
    }

    /// As [`causal`](Self::causal), with `pads[b]` steps of padding in front of sequence `b`, so
    /// that prompts of different length end together.
    pub fn left_padded(pads: impl Into<Vec<usize>>) -> Self {
        let pads = pads.into();
        Self {
            mask: Mask::causal() & Mask::left_padding(pads.clone()),
            positions: Positions::LeftPadded(pads),
        }
    }

    /// As [`causal`](Self::causal), with several documents, of lengths `lengths[b]`, in sequence
    /// `b`, which do not see each other.
    pub fn packed(lengths: Vec<Vec<usize>>) -> Self {
        Self {
            mask: Mask::causal() & Mask::documents(lengths.clone()),
            positions: Positions::Documents(lengths),
        }
    }

    /// The layout of the sequences `rows`, in that order; sequences may repeat or vanish.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        Self { mask: self.mask.select_rows(rows), positions: self.positions.select_rows(rows) }
    }
}

impl From<Mask> for Layout {
    /// Sequences that begin together, under any mask.
    fn from(mask: Mask) -> Self {
        Self { mask, positions: Positions::Contiguous }
    }
}
