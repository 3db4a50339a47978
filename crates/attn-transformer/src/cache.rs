//! What a decoder remembers from one step to the next.

use crate::KeyValue;
use attn_kernels::narrow::narrow;
use burn::tensor::{Int, Tensor, TensorData};
use std::ops::Range;

/// The keys and values of one self-attention layer, of all steps so far.
///
/// They lie in tensors that have room for steps to come, so that a step is written behind the others
/// and these stay where they are.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    /// With room: of its steps, the first [`len`](Self::len) count.
    seen: Option<KeyValue>,
    len: usize,
}

impl KvCache {
    /// Number of steps.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no steps yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the steps of `new` and returns all.
    ///
    /// # Panics
    /// If batch, heads or head width are not those of the steps so far.
    pub fn append(&mut self, new: KeyValue) -> KeyValue {
        let steps = self.len..self.len + new.keys();
        let all = match self.seen.take() {
            None => new,
            Some(seen) => {
                let [b, g, room, d] = seen.key.dims();
                let [new_b, new_g, _, new_d] = new.key.dims();
                assert_eq!(
                    [new_b, new_g, new_d],
                    [b, g, d],
                    "new keys do not fit the cache: batch, heads and head width must agree"
                );
                // Twice what is needed now: then each step is moved a few times at most.
                let wanted = if steps.end <= room { room } else { 2 * steps.end };
                KeyValue {
                    key: write(with_room(seen.key, steps.start, wanted), new.key, steps.clone()),
                    value: write(
                        with_room(seen.value, steps.start, wanted),
                        new.value,
                        steps.clone(),
                    ),
                }
            }
        };
        self.len = steps.end;
        let KeyValue { key, value } = self.seen.insert(all).clone();
        KeyValue { key: narrow(key, 2, 0, self.len), value: narrow(value, 2, 0, self.len) }
    }

    fn select_rows(&mut self, rows: &Tensor<1, Int>) {
        self.seen = self.seen.take().map(|seen| seen.select_rows(rows));
    }
}

/// The first `steps` steps of `[b, g, room, d]`, with another room.
fn with_room(seen: Tensor<4>, steps: usize, room: usize) -> Tensor<4> {
    let [b, g, old_room, d] = seen.dims();
    if old_room == room {
        return seen;
    }
    let empty = Tensor::zeros([b, g, room, d], (&seen.device(), seen.dtype()));
    write(empty, seen.narrow(2, 0, steps), 0..steps)
}

/// Writes `[b, g, steps, d]` to some steps of `to`.
fn write(to: Tensor<4>, new: Tensor<4>, steps: Range<usize>) -> Tensor<4> {
    let [b, g, _, d] = to.dims();
    to.slice_assign([0..b, 0..g, steps, 0..d], new)
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
            layer.select_rows(&rows);
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
