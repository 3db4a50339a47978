//! What a decoder keeps from one step to the next.

use attn_core::alignment::Past;
use attn_core::mechanism::{AnyState, KeyValueMemory, MechanismState};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The cache of all layers of a decoder: the states of their self-attentions, and, in an
/// encoder–decoder, the keys and values that their cross-attentions made of the memory, and what the
/// steps so far left to those that look back.
///
/// It belongs to the batch, the model and the memory that it was first used with. With it, a
/// sequence may be decoded at once, in chunks or step by step, with the same result.
#[derive(Clone, Debug, Default)]
pub struct DecoderCache {
    layers: Vec<AnyState>,
    memory: Vec<KeyValueMemory>,
    pasts: Vec<Past>,
}

impl DecoderCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of steps so far.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, AnyState::len)
    }

    /// Whether there are no steps yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The states of the self-attentions, from input to output; none before the first step.
    pub fn states(&self) -> &[AnyState] {
        &self.layers
    }

    /// Keeps the sequences `rows`, in that order; sequences may repeat or vanish. What beam search
    /// does after each step.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn reorder(&mut self, rows: &[usize]) {
        self.reorder_steps(rows);
        self.reorder_memory(rows);
    }

    /// [`reorder`](Self::reorder) of the steps so far alone.
    pub(crate) fn reorder_steps(&mut self, rows: &[usize]) {
        let Some((batch, device)) = self.layers.iter().find_map(AnyState::batch) else { return };
        let Some(rows) = row_index(rows, batch, &device) else { return };
        for layer in &mut self.layers {
            *layer = std::mem::take(layer).select_rows(&rows);
        }
        for past in &mut self.pasts {
            *past = std::mem::take(past).select_rows(&rows);
        }
    }

    /// [`reorder`](Self::reorder) of what was made of the memory alone.
    pub(crate) fn reorder_memory(&mut self, rows: &[usize]) {
        let Some(first) = self.memory.first().map(KeyValueMemory::value) else { return };
        let Some(rows) = row_index(rows, first.dims()[0], &first.device()) else { return };
        let memory = std::mem::take(&mut self.memory).into_iter();
        self.memory = memory.map(|memory| memory.select_rows(&rows)).collect();
    }

    /// The states of a stack of `layers` layers.
    pub(crate) fn layers(&mut self, layers: usize) -> &mut [AnyState] {
        if self.layers.is_empty() {
            self.layers.resize_with(layers, AnyState::default);
        }
        assert_eq!(self.layers.len(), layers, "the cache is that of a stack of another depth");
        &mut self.layers
    }

    /// For each layer of a stack with cross-attention its state, its memory, which `project` makes at
    /// the first use, and its past.
    pub(crate) fn cross_layers(
        &mut self,
        layers: usize,
        project: impl FnOnce() -> Vec<KeyValueMemory>,
    ) -> impl Iterator<Item = (&mut AnyState, &KeyValueMemory, &mut Past)> {
        self.layers(layers);
        if self.memory.is_empty() {
            self.memory = project();
            self.pasts = vec![Past::start(); layers];
        }
        let own = self.layers.iter_mut().zip(&self.memory).zip(&mut self.pasts);
        own.map(|((state, memory), past)| (state, memory, past))
    }
}

/// `rows` as an index into a batch; `None` if that would change nothing.
///
/// # Panics
/// If a row is out of range.
pub(crate) fn row_index(rows: &[usize], batch: usize, device: &Device) -> Option<Tensor<1, Int>> {
    if let Some(row) = rows.iter().find(|&&row| row >= batch) {
        panic!("row {row} is out of range, the batch has {batch}");
    }
    if rows.iter().copied().eq(0..batch) {
        return None;
    }
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Some(Tensor::from_data(TensorData::new(indices, [rows.len()]), device))
}
