//! The recurrence over keys and queries of monotonic alignments.

use super::{Aligned, Scores};
use crate::cut::cut;
use crate::logistic::logistic;
use burn::tensor::Tensor;

/// The probabilities of each query to stop or to go on at each key that it reaches, `[b, h, q, k]`.
///
/// A query starts where the one before it stopped, the first one at the first key, and goes from key
/// to key until it stops. One that goes on past the last key stops nowhere, and neither do those
/// after it.
pub(super) struct Walk {
    /// To stop there.
    stop: Tensor<4>,
    /// To go on to the next key, 1 less that.
    go: Tensor<4>,
}

impl Walk {
    /// To stop with probability `σ(energy)`; never at a hidden key.
    pub(super) fn soft(energy: Tensor<4>, scores: &Scores<'_>) -> Self {
        let (stop, go) = logistic(energy);
        let stop = scores.only_visible(stop);
        let go = match &scores.visible {
            None => go,
            Some(visible) => go.mask_fill(visible.clone().bool_not(), 1.0),
        };
        Self { stop, go }
    }

    /// To stop if `σ(energy) ≥ 0.5`; never at a hidden key.
    pub(super) fn hard(energy: Tensor<4>, scores: &Scores<'_>) -> Self {
        let stops = energy.clone().greater_equal_elem(0.0);
        let stop = scores.only_visible(energy.zeros_like().mask_fill(stops, 1.0));
        Self { go: stop.clone().neg() + 1.0, stop }
    }

    /// The probability `α_ij` that query `i` stops at key `j`, as weights, and that of the last
    /// query as the carry.
    ///
    /// `x_j = go_{j-1} x_{j-1} + α_{i-1,j}`, the probability to come to key `j`, is found by
    /// doubling (Hillis & Steele 1986): in `⌈log₂ k⌉` rounds, each of which makes of every key's
    /// last `2ⁿ` steps its last `2ⁿ⁺¹`. Only products and sums of numbers in `[0, 1]`, so every
    /// digit stays good, where the closed form of Raffel et al. (2017), appendix C, divides by a
    /// product that vanishes, and a sum of logarithms would cancel.
    pub(super) fn align(self, alignment: &str, scores: &Scores<'_>) -> Aligned {
        let [b, h, _, k] = scores.dims();
        // By round, the probability to go all of the last 2ⁿ steps, for each query.
        let mut rounds = Vec::new();
        let mut span = 1;
        let mut go = right(self.go, 1); // [b, h, q, k]
        while span < k {
            rounds.push((span, rows(go.clone())));
            go = go.clone() * right(go, span);
            span *= 2;
        }
        let blind = scores.visible.as_ref().map(|visible| visible.clone().any_dim(3).bool_not());

        let mut last = start(alignment, scores); // [b, h, 1, k]
        let mut weights = Vec::new();
        for (i, stop) in rows(self.stop).into_iter().enumerate() {
            let mut come = last.clone();
            for (span, go) in &rounds {
                come = come.clone() + go[i].clone() * right(come, *span);
            }
            let alpha = stop * come;
            last = match &blind {
                None => alpha.clone(),
                // A query that sees no key stays where the one before it stopped.
                Some(blind) => {
                    let blind = blind.clone().slice_dim(2, i..i + 1).expand([b, h, 1, k]);
                    alpha.clone().mask_where(blind, last)
                }
            };
            weights.push(alpha);
        }
        let carry = last.reshape([b, h, k]);
        Aligned { carry: Some(carry), ..Aligned::new(Tensor::cat(weights, 2)) }
    }
}

/// Where the walk starts, `[b, h, 1, k]`: where the last query stopped, else at the first key.
fn start(alignment: &str, scores: &Scores<'_>) -> Tensor<4> {
    let [b, h, _, k] = scores.dims();
    match &scores.past.carry {
        Some(carry) => {
            let dims = carry.dims();
            assert_eq!(
                dims,
                [b, h, k],
                "{alignment} alignment: the carry {dims:?} of the past does not fit scores {:?}",
                scores.dims()
            );
            carry.clone().reshape([b, h, 1, k])
        }
        None => {
            let first = scores.values.clone().detach().slice_dim(2, 0..1).zeros_like();
            let one = first.clone().slice_dim(3, 0..1) + 1.0;
            first.slice_assign([0..b, 0..h, 0..1, 0..1], one)
        }
    }
}

/// Moves what is at key `j` to key `j + by`; 0 enters, what is moved past the end is lost.
pub(super) fn right(tensor: Tensor<4>, by: usize) -> Tensor<4> {
    let [b, h, q, k] = tensor.dims();
    let by = by.min(k);
    let zeros = Tensor::zeros([b, h, q, by], (&tensor.device(), tensor.dtype()));
    if by == k { zeros } else { Tensor::cat(vec![zeros, tensor.slice_dim(3, 0..k - by)], 3) }
}

/// Moves what is at key `j` to key `j - by`; 0 enters, what is moved before the start is lost.
pub(super) fn left(tensor: Tensor<4>, by: usize) -> Tensor<4> {
    let [b, h, q, k] = tensor.dims();
    let by = by.min(k);
    let zeros = Tensor::zeros([b, h, q, by], (&tensor.device(), tensor.dtype()));
    if by == k { zeros } else { Tensor::cat(vec![tensor.slice_dim(3, by..k), zeros], 3) }
}

/// The queries one by one, each `[b, h, 1, k]`.
fn rows(tensor: Tensor<4>) -> Vec<Tensor<4>> {
    cut(tensor, 1)
}
