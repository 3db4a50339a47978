//! Cross-entropy in plain tensor operations: what "correct" means, and what runs on every device.

use burn::tensor::activation::log_softmax;
use burn::tensor::module::linear;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

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
    let logits = if r < n { logits.select(0, int(rows, &device)) } else { logits }; // [r, v]
    let logits = match logits.dtype() {
        DType::F16 | DType::BF16 => logits.cast(FloatDType::F32),
        _ => logits,
    };
    let log_probs = log_softmax(logits, 1); // [r, v]
    let right = log_probs.clone().gather(1, int(right, &device).unsqueeze_dim(1)); // [r, 1]
    let mut costs = right * (smoothing - 1.0); // [r, 1]
    if smoothing > 0.0 {
        costs = costs - log_probs.mean_dim(1) * smoothing;
    }
    costs.sum()
}

/// [`linear_cross_entropy`](super::linear_cross_entropy): burn's linear map of the rows that have a
/// label, then [`cross_entropy`].
///
/// # Panics
/// As [`linear_cross_entropy`](super::linear_cross_entropy).
pub fn linear_cross_entropy(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    let device = x.device();
    let rows: Vec<i64> = (0..).zip(labels).filter_map(|(row, label)| label.map(|_| row)).collect();
    if rows.len() == labels.len() {
        return cross_entropy(linear(x, weight, bias), labels, smoothing);
    }
    if rows.is_empty() {
        // Filled rather than multiplied by 0, which would let a NaN through.
        let zero = |tensor: Tensor<2>| {
            let hidden = Tensor::full(tensor.dims(), true, &device);
            tensor.mask_fill(hidden, 0.0).sum()
        };
        let zeros = zero(x) + zero(weight);
        return match bias {
            None => zeros,
            Some(bias) => zeros + zero(bias.unsqueeze()),
        };
    }
    let labels: Vec<_> = labels.iter().copied().filter(Option::is_some).collect();
    let x = x.select(0, int(rows, &device)); // [r, d]
    cross_entropy(linear(x, weight, bias), &labels, smoothing)
}

fn int(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
