//! Cross-entropy together with the projection before it.

use super::against_f64::{check, devices};
use crate::cases::matrices::{labels, row};
use crate::cases::{noise, numbers};
use attn_kernels::cross_entropy::linear_cross_entropy;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Rows, width and vocabulary: some straddle a chunk, which is of 1,024 rows here; of some the weight,
/// or its transpose, is copied so that it lies by rows.
const PROJECTIONS: [[usize; 3]; 8] = [
    [1, 1, 1],
    [3, 5, 7],
    [19, 33, 16],
    [40, 3, 100],
    [1025, 7, 13],
    [2300, 4, 3],
    [70, 9, 512],
    [90, 1024, 11],
];

#[test]
fn cross_entropies_of_linear_maps_are_those_of_their_logits() {
    for [n, d, v] in PROJECTIONS {
        for (smoothing, every) in [(0.0, 4), (0.1, u64::MAX), (1.0, 2)] {
            let labels = labels(n, v, every);
            // Costs are of logits of d terms; gradients have a term for each row.
            let sizes = [(n + d + 16) as f64, 16.0 + 2.0 * d as f64];
            let shapes = [[n, d], [d, v], [1, v]];
            let cost = |x: Tensor<2>, weight: Tensor<2>, bias| {
                linear_cross_entropy(x, weight, bias, &labels, smoothing).reshape([1, 1])
            };
            check("projection", &shapes, sizes, |t| {
                cost(t[0].clone(), t[1].clone(), Some(row(&t[2])))
            });
            check("projection by a table", &[[d, n], [v, d]], sizes, |t| {
                cost(t[0].clone().transpose(), t[1].clone().transpose(), None)
            });
            check("projection of what is not tracked", &shapes[1..], sizes, |t| {
                let x = noise::<2>([n, d], 7, &t[0].device(), DType::F32).into_data();
                let x = Tensor::from_data(x, (&t[0].device(), t[0].dtype()));
                cost(x, t[0].clone(), Some(row(&t[1])))
            });
        }
    }
}

/// Costs are taken in another pass where gradients are, too.
#[test]
fn a_loss_has_the_same_bits_whether_it_is_tracked_or_not() {
    for device in devices() {
        for [n, d, v] in PROJECTIONS {
            let draw = |dims, seed| noise::<2>(dims, seed, &device, DType::F32);
            let (x, weight, bias) = (draw([n, d], 1), draw([d, v], 2), row(&draw([1, v], 3)));
            let labels = labels(n, v, 3);
            let bits = |x| {
                let (weight, bias) = (weight.clone(), Some(bias.clone()));
                linear_cross_entropy(x, weight, bias, &labels, 0.1).into_data()
            };
            assert_eq!(bits(x.clone()), bits(x.autodiff().require_grad()), "{n} {d} {v}");
        }
    }
}

#[test]
fn rows_without_a_label_are_not_projected() {
    for device in devices() {
        for dtype in [DType::F32, DType::F64] {
            for labels in [[None, Some(1), None], [None; 3]] {
                let bad = f32::NAN;
                let x = [[bad, 1.0], [0.5, -1.0], [f32::INFINITY, bad]];
                let leaf = |rows| Tensor::<2>::from_data(rows, (&device, dtype)).autodiff();
                let x = leaf(TensorData::from(x)).require_grad();
                let weight = leaf(TensorData::from([[1.0_f32, 2.0, 0.5], [-1.0, 0.5, 3.0]]));
                let weight = weight.require_grad();
                let cost = linear_cross_entropy(x.clone(), weight.clone(), None, &labels, 0.1);
                let gradients = cost.clone().backward();
                assert!(numbers(cost.inner())[0].is_finite());
                let of_weight = numbers(weight.grad(&gradients).expect("a gradient"));
                assert!(of_weight.iter().all(|x| x.is_finite()), "{of_weight:?}");
                assert_eq!(of_weight.iter().all(|&x| x == 0.0), labels == [None; 3]);
                let of_x = numbers(x.grad(&gradients).expect("a gradient"));
                for (row, label) in of_x.chunks(2).zip(labels) {
                    assert_eq!(row.iter().all(|&x| x == 0.0), label.is_none(), "{row:?}");
                    assert!(row.iter().all(|x| x.is_finite()), "{row:?}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "label 7 is out of range for 5 classes")]
fn a_label_beyond_the_projection_is_refused() {
    let zeros = |dims| Tensor::<2>::zeros(dims, &Device::flex());
    linear_cross_entropy(zeros([1, 3]), zeros([3, 5]), None, &[Some(7)], 0.0);
}

#[test]
#[should_panic(expected = "2 rows of logits but 1 labels")]
fn labels_of_other_rows_are_refused() {
    let zeros = |dims| Tensor::<2>::zeros(dims, &Device::flex());
    linear_cross_entropy(zeros([2, 3]), zeros([3, 5]), None, &[None], 0.0);
}
