//! Cross-entropy of predicted tokens, with label smoothing.
//!
//! Shapes: `n` positions, `v` vocabulary.

use attn_kernels::cross_entropy;
use burn::tensor::Tensor;

/// A loss summed over tokens, with their number.
///
/// Kept apart so that batches, accumulated steps and devices can be added up and divided once: the
/// mean of the means of unequal batches is not the mean.
#[derive(Debug, Clone)]
pub struct LossSum {
    /// Sum over the real tokens, one element.
    pub sum: Tensor<1>,
    /// Real tokens summed over.
    pub tokens: usize,
}

impl LossSum {
    /// Loss per token, one element: what is differentiated when one batch is one step.
    ///
    /// # Panics
    /// If there are no tokens.
    pub fn mean(self) -> Tensor<1> {
        assert!(self.tokens > 0, "the mean loss of 0 tokens is undefined");
        self.sum / self.tokens as f64
    }
}

/// Cross-entropy against smoothed labels (Szegedy et al. 2016, "Rethinking the Inception
/// architecture for computer vision", section 7), summed over the real tokens.
///
/// For logits `z`, `log p = log_softmax(z)`, a target `y` and smoothing `e`, a position costs
/// `-(1 - e) log p[y] - (e / v) sum_k log p[k]`: the label keeps `1 - e + e / v` and every other
/// token gets `e / v`, as in PyTorch's `label_smoothing`. Computed in f32 at least.
///
/// A position whose target is `pad` is left out before anything is computed from it: it costs
/// nothing and its gradient is exactly 0, whatever its logits are, NaN included. If all are
/// padding, the sum is 0, with a gradient of 0.
///
/// Targets are on the host, as a batch has them ([`TokenBatch::ids`](crate::batch::TokenBatch)), so
/// that counting the real ones does not wait for the device.
///
/// # Shapes
/// - logits: `[n, v]`
/// - targets: `n` ids
/// - output: `[1]`
///
/// # Panics
/// If there are not `n` targets, one of them is not below `v`, or smoothing is not in `0.0..=1.0`.
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32], smoothing: f64, pad: u32) -> LossSum {
    let labels = labels(logits.dims(), targets, pad);
    let tokens = labels.iter().flatten().count();
    LossSum { sum: cross_entropy::cross_entropy(logits, &labels, smoothing), tokens }
}

/// [`cross_entropy`](fn@cross_entropy) of the logits that a projection makes of features, such as those of
/// `DecoderOnly::{hidden, projection}`: without logits of all positions at once, and padding is not
/// projected at all.
///
/// # Shapes
/// - hidden: `[n, m]`
/// - projection: `[m, v]`, and the row `[v]` that is added
/// - targets: `n` ids
/// - output: `[1]`
///
/// # Panics
/// As [`cross_entropy`](fn@cross_entropy), or if the widths do not fit.
pub fn projected_cross_entropy(
    hidden: Tensor<2>,
    projection: (Tensor<2>, Option<Tensor<1>>),
    targets: &[u32],
    smoothing: f64,
    pad: u32,
) -> LossSum {
    let (weight, bias) = projection;
    let ([n, _], [_, v]) = (hidden.dims(), weight.dims());
    let labels = labels([n, v], targets, pad);
    let tokens = labels.iter().flatten().count();
    let sum = cross_entropy::linear_cross_entropy(hidden, weight, bias, &labels, smoothing);
    LossSum { sum, tokens }
}

/// The labels of `n` positions, none for padding.
fn labels([n, v]: [usize; 2], targets: &[u32], pad: u32) -> Vec<Option<u32>> {
    assert!(targets.len() == n, "{n} rows of logits but {} targets", targets.len());
    if let Some(label) = targets.iter().find(|&&label| label != pad && label as usize >= v) {
        panic!("target {label} is not in a vocabulary of {v} tokens");
    }
    targets.iter().map(|&id| Some(id).filter(|&id| id != pad)).collect()
}
