//! Monotonic chunkwise attention.

use super::monotonic::{check, scalar, spread, walk};
use super::walk::{left, right};
use super::{Aligned, Alignment, AlignmentError, Scores};
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Chunkwise`] alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkwiseConfig {
    /// `w`: the number of keys in a chunk.
    pub chunk: usize,
    /// Standard deviation of the noise on the monotonic energies in training.
    #[serde(default = "one")]
    pub noise: f64,
    /// What is added to each score for the monotonic energy, at first.
    #[serde(default = "minus_one")]
    pub offset: f64,
}

fn one() -> f64 {
    1.0
}

fn minus_one() -> f64 {
    -1.0
}

impl ChunkwiseConfig {
    /// Chunks of `chunk` keys, standard normal noise, and an offset of −1.
    pub fn new(chunk: usize) -> Self {
        Self { chunk, noise: one(), offset: minus_one() }
    }

    /// Another standard deviation of the noise; 0 for none.
    pub fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// Another offset.
    pub fn with_offset(self, offset: f64) -> Self {
        Self { offset, ..self }
    }

    /// # Errors
    /// If the chunk is empty, the noise is not from 0 to 1e18, or the offset not finite.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        AlignmentError::check_sizes("chunkwise", &[("chunk", self.chunk)])?;
        check("chunkwise", self.noise, self.offset)
    }

    /// The alignment, with a gain of 1.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Chunkwise {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Chunkwise {
            gain: scalar(1.0, device),
            offset: scalar(self.offset, device),
            chunk: self.chunk,
            noise: self.noise,
            training: Param::from_bool(true),
        }
    }
}

/// Monotonic chunkwise attention, "MoChA", Chiu & Raffel (2018): a query stops as in
/// [monotonic attention](super::Monotonic), and then attends by a softmax to the `w` keys that end where
/// it stopped.
///
/// With the probabilities `α` to stop,
/// `β_ij = Σ_{j ≤ m < j + w} α_im exp(u_ij) / Σ_{m - w < l ≤ m} exp(u_il)`; in decoding `α` is 1
/// where the query stopped. A chunk of one key is monotonic attention.
///
/// # Energies
/// The paper learns two functions, one for the monotonic energies and one for those in the chunk.
/// Here the scores are the energies `u` in the chunk, and the monotonic ones are `g u + r` with a
/// learned gain `g` and offset `r`: a key with a larger weight is also more probably one to stop at. The softmax
/// does not depend on what all scores have in common, so `r` does not change it.
///
/// Masks, the end of the keys, noise, decoding and the steps are as in
/// [monotonic attention](super::Monotonic); `α` is what is carried. Keys that are hidden, or before
/// the first, are in no chunk, and leave theirs smaller.
///
/// # Cost
/// That of monotonic attention, and `w` times `q · k` of time, in training also of memory. Each chunk
/// is taken relative to its own largest score, so that none vanishes beside a larger one elsewhere
/// in the row, as it may in moving sums of exponentials. What it gives up is to look back further
/// than `w` keys.
#[derive(Module, Debug)]
pub struct Chunkwise {
    /// `g`, `[1]`.
    pub gain: Param<Tensor<1>>,
    /// `r`, `[1]`.
    pub offset: Param<Tensor<1>>,
    #[module(skip)]
    chunk: usize,
    #[module(skip)]
    noise: f64,
    training: Param<Flag>,
}

impl Alignment for Chunkwise {
    /// # Panics
    /// If the past was of another shape.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let energy = scores.values.clone() * spread(&self.gain, scores);
        let energy = energy + spread(&self.offset, scores);
        let stops = walk(energy, self.noise, &self.training, scores).align("chunkwise", scores);
        Aligned { weights: chunks(stops.weights, self.chunk, scores), ..stops }
    }
}

/// `β`: each probability to stop, spread over the chunk that ends there, `[b, h, q, k]`.
fn chunks(stops: Tensor<4>, chunk: usize, scores: &Scores<'_>) -> Tensor<4> {
    let [.., k] = scores.dims();
    // Entry n: of the key that is n before the end of the chunk; of none where hidden or too early.
    let present = scores.only_visible(scores.values.ones_like().detach());
    let absent = |n| right(present.clone(), n).equal_elem(0.0);
    let members: Vec<_> = (0..chunk.min(k))
        .map(|n| right(scores.values.clone(), n).mask_fill(absent(n), f64::NEG_INFINITY))
        .collect();
    let largest = members.iter().map(|member| member.clone().detach());
    let largest = largest.reduce(Tensor::max_pair).expect("a chunk has a key");
    let empty = largest.clone().equal_elem(f64::NEG_INFINITY);
    let largest = largest.mask_fill(empty.clone(), 0.0);
    let members: Vec<_> =
        members.into_iter().map(|member| (member - largest.clone()).exp()).collect();
    let sum = members.iter().cloned().reduce(|sum, member| sum + member);
    let sum = sum.expect("a chunk has a key").mask_fill(empty, 1.0);

    let share = stops / sum;
    let parts = members.into_iter().enumerate().map(|(n, member)| left(share.clone() * member, n));
    parts.reduce(|sum, part| sum + part).expect("a chunk has a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "chunkwise alignment: chunk must be at least 1, got 0")]
    fn a_chunk_of_no_key_is_refused() {
        ChunkwiseConfig::new(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "chunkwise alignment: noise must be from 0 to 1e18, got NaN")]
    fn noise_is_a_number() {
        ChunkwiseConfig::new(2).with_noise(f64::NAN).init(&Device::flex());
    }
}
