//! Whether a training of ours goes as PyTorch's: the same initial weights, batches and rule.
//!
//! Both compute in f32, in another order, so they cannot agree to the last bit, and what they differ
//! by grows: each step starts from weights that differ already. How much is right is asked of PyTorch
//! itself. It trains again, three times, with every weight moved to a neighbouring number of f32, up
//! or down by chance, before each step. That is the least that two correct implementations differ
//! by: an optimizer's step ends in rounding every weight, so two orders of the same sum that fall on
//! either side of a tie are a neighbour apart, at every step. What training makes of such differences,
//! Adam's division by the size of a small gradient included, it makes of ours.
//!
//! What is rounded inside a step comes on top. A sum of `k` products whose factors are moved by one
//! unit in the last place each moves as much as one of which each partial sum is rounded, but there
//! are also norms, exponentials and a loss to round, once in the forward pass and once in the
//! backward, in either implementation: [`FACTOR`] is for those. [`FLOOR`] is for the loss that is
//! printed, itself a rounded mean. The bound still tells apart rules that are almost the same: PyTorch
//! with an epsilon of 1e-7 in Adam, where ours has 1e-8, is outside it within 20 steps.

mod data;
mod peer;
mod verdict;
mod weights;

pub use data::batches;
pub use peer::{Peer, PeerError};
pub use verdict::{FACTOR, FLOOR, Verdict};
pub use weights::{Weight, weights};

use crate::setting::{Model, Setting};

/// The model of the table over a small vocabulary, which it learns within the steps, without dropout.
pub const SETTING: Setting = Setting {
    model: Model::DecoderOnly,
    layers: 4,
    width: 256,
    heads: 4,
    feed_forward: 1024,
    vocabulary: 256,
    batch: 8,
    steps: 64,
    source_steps: 0,
    dropout: 0.0,
    gpt2: false,
};
