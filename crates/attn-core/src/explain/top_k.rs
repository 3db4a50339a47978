//! The keys that a query looks at most.

use super::tiles::{Frame, Part, walk};
use crate::{AttendOptions, Mask};
use burn::tensor::{DType, Int, Tensor, TensorData};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

/// The keys of most weight, of each query.
#[derive(Clone, Debug)]
pub struct TopK {
    /// `[batch, heads, queries, min(k, keys)]`: numbers of keys, by falling weight; of equal weights
    /// the first key comes first. [`TopK::NONE`] behind the last key that has any weight.
    pub indices: Tensor<4, Int>,
    /// `[batch, heads, queries, min(k, keys)]`: their weights, 0 behind the last.
    pub weights: Tensor<4>,
}

impl TopK {
    /// No key: no index, and other than 0 not mistaken for one.
    pub const NONE: i64 = -1;

    /// Each query's keys and weights, as many as it has: row-major over batch, heads and queries.
    pub fn lists(&self) -> Vec<Vec<(usize, f64)>> {
        let [batch, heads, queries, k] = self.indices.dims();
        let indices: Vec<i64> = self.indices.to_data().iter::<i64>().collect();
        let weights: Vec<f64> = self.weights.to_data().iter::<f64>().collect();
        let list = |row: usize| {
            let entries = row * k..(row + 1) * k;
            let pairs = indices[entries.clone()].iter().zip(&weights[entries]);
            pairs.map_while(|(&j, &w)| Some((usize::try_from(j).ok()?, w))).collect()
        };
        (0..batch * heads * queries).map(list).collect()
    }
}

/// The `k` keys of most weight of each query; all of them where there are fewer.
///
/// Only keys of a positive weight are listed: none that is hidden, none whose weight rounds to 0,
/// and none at all where the weights of a query are not numbers. Chosen on the host, so that ties
/// are broken alike on every backend.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
/// - result: `[batch, heads, queries, min(k, keys)]`
///
/// # Panics
/// If `k` is 0, or as [`attend`](crate::attend).
#[track_caller]
pub fn top_k(
    query: Tensor<4>,
    key: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
    k: usize,
) -> TopK {
    let frame = Frame::of(&query, &key, options);
    let mut best = Best::new(&frame, k);
    walk(&frame, query, key, mask, options, |part| best.add(&part));
    best.finish()
}

/// The best keys so far.
pub(super) struct Best {
    frame: Frame,
    k: usize,
    indices: Vec<i64>,
    weights: Vec<f64>,
}

impl Best {
    #[track_caller]
    pub(super) fn new(frame: &Frame, k: usize) -> Self {
        assert!(k > 0, "top 0 keys, needs at least 1");
        let [batch, heads, queries, keys] = frame.dims;
        let k = k.min(keys);
        let size = batch * heads * queries * k;
        Self { frame: frame.clone(), k, indices: vec![TopK::NONE; size], weights: vec![0.0; size] }
    }

    pub(super) fn add(&mut self, part: &Part) {
        let Part { weights, rows, cols } = part;
        let data = weights.to_data();
        if weights.dtype() == DType::F64 {
            self.add_rows(data.as_slice::<f64>().expect("weights of f64"), rows, cols);
        } else {
            self.add_rows(data.as_slice::<f32>().expect("weights of f32"), rows, cols);
        }
    }

    fn add_rows<E: Copy + Into<f64>>(
        &mut self,
        weights: &[E],
        rows: &Range<usize>,
        cols: &Range<usize>,
    ) {
        let [_, _, queries, _] = self.frame.dims;
        for (number, weights) in weights.chunks_exact(cols.len()).enumerate() {
            let (matrix, i) = (number / rows.len(), rows.start + number % rows.len());
            let first = (matrix * queries + i) * self.k;
            for (at, Entry { weight, index }) in (first..).zip(largest(weights, self.k)) {
                self.indices[at] = (cols.start + index) as i64;
                self.weights[at] = weight;
            }
        }
    }

    pub(super) fn finish(self) -> TopK {
        let [batch, heads, queries, _] = self.frame.dims;
        let dims = [batch, heads, queries, self.k];
        let indices = TensorData::new(self.indices, dims);
        TopK {
            indices: Tensor::from_data(indices, self.frame.device()),
            weights: self.frame.tensor(self.weights, dims),
        }
    }
}

/// A key of a row.
#[derive(Clone, Copy, Debug)]
struct Entry {
    weight: f64,
    index: usize,
}

impl Ord for Entry {
    /// The better is the greater: more weight, then an earlier key.
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// The best `k` entries of a positive weight, best first.
fn largest<E: Copy + Into<f64>>(row: &[E], k: usize) -> impl Iterator<Item = Entry> {
    let mut best = BinaryHeap::new();
    // Most weights are not among the best: what they must exceed is at hand.
    let mut least = 0.0;
    for (index, &weight) in row.iter().enumerate() {
        let weight = weight.into();
        if weight > least {
            if best.len() == k {
                best.pop();
            }
            best.push(Reverse(Entry { weight, index }));
            if let Some(Reverse(worst)) = best.peek().filter(|_| best.len() == k) {
                least = worst.weight;
            }
        }
    }
    best.into_sorted_vec().into_iter().map(|Reverse(entry)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(row: &[f64], k: usize) -> Vec<usize> {
        largest(row, k).map(|entry| entry.index).collect()
    }

    #[test]
    fn the_largest_come_first_and_of_equals_the_earliest() {
        let row = [0.1, 0.3, 0.0, 0.3, 0.2, 0.3];
        assert_eq!(indices(&row, 1), [1]);
        assert_eq!(indices(&row, 2), [1, 3]);
        assert_eq!(indices(&row, 4), [1, 3, 5, 4]);
        assert_eq!(indices(&row, 6), [1, 3, 5, 4, 0]);
    }

    #[test]
    fn what_is_no_positive_number_is_not_listed() {
        assert_eq!(indices(&[f64::NAN, -1.0, 0.5, 0.0], 4), [2]);
        assert_eq!(indices(&[f64::NAN; 3], 2), [0; 0]);
    }
}
