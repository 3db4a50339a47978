//! What a decoder remembers from one step to the next.

use crate::KeyValue;
use burn::tensor::{Int, Tensor, TensorData};

/// The keys and values of one self-attention layer, of all steps so far.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    seen: Option<KeyValue>,
}

impl KvCache {
    /// Number of steps.
    pub fn len(&self) -> usize {
        self.seen.as_ref().map_or(0, KeyValue::keys)
    }

    /// Whether there are no steps yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the steps of `new` and returns all.
    ///
    /// # Panics
    /// If batch, heads or head width are not those of the steps so far.
    pub fn append(&mut self, new: KeyValue) -> KeyValue {
        let all = match self.seen.take() {
            None => new,
            Some(seen) => {
                let [b, g, _, d] = seen.key.dims();
                let [new_b, new_g, _, new_d] = new.key.dims();
                assert_eq!(
                    [new_b, new_g, new_d],
                    [b, g, d],
                    "new keys do not fit the cache: batch, heads and head width must agree"
                );
                KeyValue {
                    key: Tensor::cat(vec![seen.key, new.key], 2), // [b, g, seen + new, d]
                    value: Tensor::cat(vec![seen.value, new.value], 2),
                }
            }
        };
        self.seen.insert(all).clone()
    }
}

/// The cache of all layers of a decoder: the steps so far, and, in an encoder–decoder, the keys and
/// values that its cross-attentions made of the memory.
///
/// It belongs to the batch, the model and the memory that it was first used with. With it, a
/// sequence may be decoded at once, in chunks or step by step, with the same result.
#[derive(Clone, Debug, Default)]
pub struct DecoderCache {
    pub(crate) layers: Vec<KvCache>,
    pub(crate) memory: Vec<KeyValue>,
}

impl DecoderCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of steps so far.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, KvCache::len)
    }

    /// Whether there are no steps yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let Some(seen) = self.layers.iter().find_map(|layer| layer.seen.as_ref()) else { return };
        let Some(rows) = row_index(rows, &seen.key) else { return };
        for layer in &mut self.layers {
            layer.seen = layer.seen.take().map(|seen| seen.select_rows(&rows));
        }
    }

    /// [`reorder`](Self::reorder) of what was made of the memory alone.
    pub(crate) fn reorder_memory(&mut self, rows: &[usize]) {
        let Some(first) = self.memory.first() else { return };
        let Some(rows) = row_index(rows, &first.key) else { return };
        let memory = std::mem::take(&mut self.memory).into_iter();
        self.memory = memory.map(|memory| memory.select_rows(&rows)).collect();
    }

    /// The caches of a stack of `layers` layers.
    pub(crate) fn layers(&mut self, layers: usize) -> &mut [KvCache] {
        if self.layers.is_empty() {
            self.layers.resize_with(layers, KvCache::default);
        }
        assert_eq!(self.layers.len(), layers, "the cache is that of a stack of another depth");
        &mut self.layers
    }
}

/// `rows` as an index into the first dimension of `tensor`; `None` if that would change nothing.
///
/// # Panics
/// If a row is out of range.
pub(crate) fn row_index<const D: usize>(
    rows: &[usize],
    tensor: &Tensor<D>,
) -> Option<Tensor<1, Int>> {
    let batch = tensor.dims()[0];
    if let Some(row) = rows.iter().find(|&&row| row >= batch) {
        panic!("row {row} is out of range, the batch has {batch}");
    }
    if rows.iter().copied().eq(0..batch) {
        return None;
    }
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Some(Tensor::from_data(TensorData::new(indices, [rows.len()]), &tensor.device()))
}
