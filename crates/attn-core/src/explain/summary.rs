//! Several explanations in one pass.

use super::entropy::Entropies;
use super::received::Mass;
use super::tiles::{Frame, Part, walk, walk_weights};
use super::top_k::Best;
use super::{Entropy, TopK};
use crate::{AttendOptions, Mask};
use burn::tensor::Tensor;

/// What [`summary`] and [`of_weights`] say of an attention.
#[derive(Clone, Debug)]
pub struct Summary {
    /// As [`top_k`](super::top_k).
    pub top_k: TopK,
    /// As [`entropy`](super::entropy).
    pub entropy: Entropy,
    /// As [`received`](super::received), `[batch, heads, keys]`.
    pub received: Tensor<3>,
}

/// [`top_k`](super::top_k), [`entropy`](super::entropy) and [`received`](super::received) of an
/// attention, whose weights are computed once.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
///
/// # Panics
/// If `k` is 0, or as [`attend`](crate::attend).
#[track_caller]
pub fn summary(
    query: Tensor<4>,
    key: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
    k: usize,
) -> Summary {
    let frame = Frame::of(&query, &key, options);
    let mut all = All::new(&frame, k);
    walk(&frame, query, key, mask, options, |part| all.add(&part));
    all.finish()
}

/// The [`summary`] of weights that there are, such as [`Mechanism::weights`](crate::Mechanism::weights).
///
/// Weights should not be negative: those that are have no place in a list, and no logarithm.
///
/// # Shapes
/// - `weights`: `[batch, heads, queries, keys]`
///
/// # Panics
/// If `k` is 0.
#[track_caller]
pub fn of_weights(weights: Tensor<4>, k: usize) -> Summary {
    let frame = Frame::of_weights(&weights);
    let mut all = All::new(&frame, k);
    walk_weights(&frame, weights, |part| all.add(&part));
    all.finish()
}

/// A summary of the queries so far.
struct All {
    best: Best,
    entropies: Entropies,
    mass: Mass,
}

impl All {
    #[track_caller]
    fn new(frame: &Frame, k: usize) -> Self {
        Self { best: Best::new(frame, k), entropies: Entropies::new(frame), mass: Mass::new(frame) }
    }

    fn add(&mut self, part: &Part) {
        self.best.add(part);
        self.entropies.add(part);
        self.mass.add(part);
    }

    fn finish(self) -> Summary {
        Summary {
            top_k: self.best.finish(),
            entropy: self.entropies.finish(),
            received: self.mass.finish(),
        }
    }
}
