//! Cross-entropy of predicted tokens, with label smoothing.
//!
//! Shapes: `n` positions, `r` real ones among them, `v` vocabulary.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};

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
    let [n, v] = logits.dims();
    assert!(targets.len() == n, "{n} rows of logits but {} targets", targets.len());
    assert!((0.0..=1.0).contains(&smoothing), "label smoothing {smoothing} is not in 0.0..=1.0");

    if let Some(label) = targets.iter().find(|&&label| label != pad && label as usize >= v) {
        panic!("target {label} is not in a vocabulary of {v} tokens");
    }

    let rows: Vec<i64> = (0..n).filter(|&row| targets[row] != pad).map(|row| row as i64).collect();
    let labels: Vec<i64> = rows.iter().map(|&row| i64::from(targets[row as usize])).collect();
    let r = rows.len();
    if r == 0 {
        // Filled rather than multiplied by 0, which would let a NaN through.
        let hidden = Tensor::full([n, v], true, &logits.device());
        return LossSum { sum: logits.mask_fill(hidden, 0.0).sum(), tokens: 0 };
    }

    let device = logits.device();
    let int = |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [r]), &device);
    let logits = if r < n { logits.select(0, int(rows)) } else { logits }; // [r, v]
    let log_probs = log_softmax(at_least_f32(logits), 1); // [r, v]
    let right = log_probs.clone().gather(1, int(labels).unsqueeze_dim(1)); // [r, 1]
    let mut costs = right * (smoothing - 1.0); // [r, 1]
    if smoothing > 0.0 {
        costs = costs - log_probs.mean_dim(1) * smoothing;
    }
    LossSum { sum: costs.sum(), tokens: r }
}

/// Half precision cannot hold a sum over a batch, nor the exponentials of a large vocabulary.
fn at_least_f32(logits: Tensor<2>) -> Tensor<2> {
    match logits.dtype() {
        DType::F16 | DType::BF16 => logits.cast(FloatDType::F32),
        _ => logits,
    }
}
