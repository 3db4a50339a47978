//! The source, as a decoder attends to it.

use super::state::select_states;
use crate::pointer::SourceWords;
use crate::recurrent::{State, index};
use attn_core::mechanism::KeyValueMemory;

/// The source as a decoder attends to it, with projected keys; prepared once per sentence.
#[derive(Clone, Debug)]
pub struct DecoderMemory {
    /// Keys and values of the attention; `None` where the decoder has none.
    pub(crate) attention: Option<KeyValueMemory>,
    /// The number of real steps of each source; the others are padding.
    pub(crate) lengths: Vec<usize>,
    /// The words that may be copied, of a model that copies.
    pub(crate) words: Option<SourceWords>,
    /// The decoder's first states, one of each layer.
    pub(crate) start: Vec<State>,
}

impl DecoderMemory {
    /// Number of sentences.
    pub fn rows(&self) -> usize {
        self.start[0].rows()
    }

    /// The words that may be copied, of a model that copies.
    pub fn words(&self) -> Option<&SourceWords> {
        self.words.as_ref()
    }

    /// The memory of a batch whose row `r` was row `rows[r]`.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn select_rows(self, rows: &[usize]) -> Self {
        let index = index(rows, &self.start[0].hidden.device());
        Self {
            attention: self.attention.map(|memory| memory.select_rows(&index)),
            lengths: rows.iter().map(|&row| self.lengths[row]).collect(),
            words: self.words.map(|words| words.select_rows(&index)),
            start: select_states(self.start, &index),
        }
    }
}
