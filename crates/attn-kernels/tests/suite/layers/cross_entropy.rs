//! Cross-entropy of logits.

use super::against_f64::{check, devices};
use crate::cases::matrices::labels;
use crate::cases::numbers;
use attn_kernels::cross_entropy::cross_entropy;
use burn::tensor::{Device, Tensor, TensorData};

#[test]
fn cross_entropies_are_those_of_log_softmax() {
    for [rows, width] in [[1, 1], [3, 5], [19, 16], [40, 100], [9, 1003]] {
        for smoothing in [0.0, 0.1, 1.0] {
            for scale in [1.0, 1e4] {
                let labels = labels(rows, width, 4);
                // Logits that far apart are rounded in proportion.
                let sizes = [(rows + 16) as f64, 16.0 * scale];
                check("cross-entropy", &[[rows, width]], sizes, |t| {
                    cross_entropy(t[0].clone() * scale, &labels, smoothing).reshape([1, 1])
                });
            }
        }
    }
}

#[test]
fn rows_without_a_label_cost_nothing_whatever_they_are() {
    for device in devices() {
        for labels in [[None, Some(1), None], [None; 3]] {
            let bad = f32::NAN;
            let logits =
                [[bad, 1.0, 2.0, 3.0], [1.0, 2.0, 0.5, -1.0], [f32::INFINITY, bad, 0.0, 0.0]];
            let logits = Tensor::<2>::from_floats(logits, &device).autodiff().require_grad();
            let cost = cross_entropy(logits.clone(), &labels, 0.1);
            let gradient = numbers(logits.grad(&cost.clone().backward()).expect("a gradient"));
            assert!(numbers(cost.inner())[0].is_finite());
            for (row, label) in labels.iter().enumerate() {
                let row = &gradient[4 * row..][..4];
                assert_eq!(row.iter().all(|&x| x == 0.0), label.is_none(), "{row:?}");
                assert!(row.iter().all(|x| x.is_finite()), "{row:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "label 5 is out of range for 5 classes")]
fn a_label_beyond_the_logits_is_refused() {
    let logits = Tensor::<2>::from_data(TensorData::zeros::<f32, _>([1, 5]), &Device::flex());
    cross_entropy(logits, &[Some(5)], 0.0);
}
