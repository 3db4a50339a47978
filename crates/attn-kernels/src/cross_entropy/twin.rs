//! Cross-entropy in plain tensor operations: what "correct" means, and what runs on every device.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};

/// [`cross_entropy`](super::cross_entropy). Half precision, which cannot hold a sum over a batch nor
/// the exponentials of a large vocabulary, is widened to f32.
///
/// # Panics
/// As [`cross_entropy`](super::cross_entropy).
pub fn cross_entropy(logits: Tensor<2>, labels: &[Option<u32>], smoothing: f64) -> Tensor<1> {
    let [n, v] = logits.dims();
    let device = logits.device();
    let (rows, right): (Vec<i64>, Vec<i64>) = (labels.iter().enumerate())
        .filter_map(|(row, label)| label.map(|label| (row as i64, i64::from(label))))
        .unzip();
    let r = rows.len();
    if r == 0 {
        // Filled rather than multiplied by 0, which would let a NaN through.
        let hidden = Tensor::full([n, v], true, &device);
        return logits.mask_fill(hidden, 0.0).sum();
    }
    let int = |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [r]), &device);
    let logits = if r < n { logits.select(0, int(rows)) } else { logits }; // [r, v]
    let logits = match logits.dtype() {
        DType::F16 | DType::BF16 => logits.cast(FloatDType::F32),
        _ => logits,
    };
    let log_probs = log_softmax(logits, 1); // [r, v]
    let right = log_probs.clone().gather(1, int(right).unsqueeze_dim(1)); // [r, 1]
    let mut costs = right * (smoothing - 1.0); // [r, 1]
    if smoothing > 0.0 {
        costs = costs - log_probs.mean_dim(1) * smoothing;
    }
    costs.sum()
}
