//! How spread attention is.

use super::tiles::{Frame, Part, walk};
use crate::{AttendOptions, Mask};
use burn::tensor::Tensor;

/// The entropy of weights, in nats.
#[derive(Clone, Debug)]
pub struct Entropy {
    /// `[batch, heads, queries]`: 0 for a query that looks at one key only, or at none; `ln n` for
    /// one that looks at `n` keys alike.
    pub queries: Tensor<3>,
    /// `[batch, heads]`: the mean over those queries that give weight to any key, 0 if none does.
    pub heads: Tensor<2>,
}

/// The entropy of each query's weights, `-Σ_j w_j ln w_j` with `0 ln 0 = 0` (Shannon 1948), and its
/// mean in each head: low where a head looks at a few keys, high where it averages.
///
/// With a sink the weights sum to less than 1, and the sum is over the keys alone.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
///
/// # Panics
/// As [`attend`](crate::attend).
#[track_caller]
pub fn entropy(query: Tensor<4>, key: Tensor<4>, mask: &Mask, options: &AttendOptions) -> Entropy {
    let frame = Frame::of(&query, &key, options);
    let mut entropies = Entropies::new(&frame);
    walk(&frame, query, key, mask, options, |part| entropies.add(&part));
    entropies.finish()
}

/// The entropies so far.
pub(super) struct Entropies {
    frame: Frame,
    /// Of each query.
    entropy: Vec<f64>,
    /// Whether it gives weight to any key.
    looks: Vec<bool>,
}

impl Entropies {
    pub(super) fn new(frame: &Frame) -> Self {
        let [batch, heads, queries, _] = frame.dims;
        let size = batch * heads * queries;
        Self { frame: frame.clone(), entropy: vec![0.0; size], looks: vec![false; size] }
    }

    pub(super) fn add(&mut self, part: &Part) {
        let [_, _, queries, _] = self.frame.dims;
        let Part { weights, rows, .. } = part;
        // 0 · ln 0 is NaN, 0 · ln 1 is not.
        let none = weights.clone().equal_elem(0.0);
        let terms = weights.clone() * weights.clone().mask_fill(none, 1.0).log();
        let sums = Tensor::cat(vec![terms.sum_dim(3), weights.clone().sum_dim(3)], 3); // [b, h, t, 2]
        let sums: Vec<f64> = sums.into_data().iter::<f64>().collect();
        for (number, sums) in sums.chunks_exact(2).enumerate() {
            let (matrix, i) = (number / rows.len(), rows.start + number % rows.len());
            // Not −0 where there is nothing to sum.
            self.entropy[matrix * queries + i] = 0.0 - sums[0];
            self.looks[matrix * queries + i] = sums[1] != 0.0;
        }
    }

    pub(super) fn finish(self) -> Entropy {
        let Self { frame, entropy, looks } = self;
        let [batch, heads, queries, _] = frame.dims;
        let mean = |head: usize| {
            let rows = head * queries..(head + 1) * queries;
            let count = looks[rows.clone()].iter().filter(|&&looks| looks).count();
            entropy[rows].iter().sum::<f64>() / count.max(1) as f64
        };
        let heads_of_rows = (0..batch * heads).map(mean).collect();
        Entropy {
            heads: frame.tensor(heads_of_rows, [batch, heads]),
            queries: frame.tensor(entropy, [batch, heads, queries]),
        }
    }
}
