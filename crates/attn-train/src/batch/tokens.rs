//! Sequences of unequal length as one rectangle of token ids.

use attn_core::Mask;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::tokenizer::PAD;

/// A padded batch of token sequences, on the host.
///
/// Row `r` holds `lengths[r]` real ids, then [`PAD`] up to `width`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    /// Ids, row after row: `lengths.len() * width` of them.
    pub ids: Vec<u32>,
    /// Real tokens of each row.
    pub lengths: Vec<usize>,
    /// Steps of every row, padding included.
    pub width: usize,
}

impl TokenBatch {
    /// Pads the rows to the longest of them; to one step if all are empty, since a tensor of no
    /// steps is of no use to a model.
    ///
    /// # Panics
    /// If there are no rows.
    pub fn from_rows<R: AsRef<[u32]>>(rows: &[R]) -> Self {
        assert!(!rows.is_empty(), "a batch needs at least one row, got 0");
        let lengths: Vec<usize> = rows.iter().map(|row| row.as_ref().len()).collect();
        let width = lengths.iter().copied().max().unwrap_or(0).max(1);
        let mut ids = Vec::with_capacity(rows.len() * width);
        for row in rows {
            ids.extend_from_slice(row.as_ref());
            ids.resize(ids.len() + width - row.as_ref().len(), PAD);
        }
        Self { ids, lengths, width }
    }

    /// Number of sequences.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// The real ids of one row, without its padding.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.ids[row * self.width..][..self.lengths[row]]
    }

    /// Real tokens in the batch.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Padding in the batch.
    pub fn padding(&self) -> usize {
        self.ids.len() - self.tokens()
    }

    /// The ids as a tensor.
    ///
    /// # Shapes
    /// - output: `[rows, width]`
    pub fn tensor(&self, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(self.ids.clone(), [self.rows(), self.width]), device)
    }

    /// Hides the padding as keys of attention; open if there is none.
    pub fn mask(&self) -> Mask {
        if self.padding() == 0 { Mask::open() } else { Mask::padding(self.lengths.clone()) }
    }
}
