//! Cross-entropy.

use super::cases::matrices::{labels, row};
use super::cases::numbers;
use super::{STEPS, check, constant, gpu};
use attn_kernels::cross_entropy::{cross_entropy, linear_cross_entropy};
use burn::tensor::Tensor;

/// As on a processor, with sixteen operations of what a GPU may be off by.
#[test]
fn cross_entropies_are_their_twins() {
    let [rows, width] = [13, 7];
    for (smoothing, every) in [(0.0, u64::MAX), (0.1, 4), (1.0, 4)] {
        for scale in [1.0, 1e4] {
            let labels = labels(rows, width, every);
            let sizes = [rows as f64 + 2.0 * STEPS, 16.0 * scale];
            check("cross-entropy", &[[rows, width]], sizes, |t| {
                cross_entropy(t[0].clone() * scale, &labels, smoothing).reshape([1, 1])
            });
        }
    }
}

/// Costs are of logits of `d` terms; gradients have a term for each row.
#[test]
fn cross_entropies_of_linear_maps_are_their_twins() {
    let [n, d, v] = [13, 5, 7];
    let sizes = [(n + d) as f64 + 2.0 * STEPS, 16.0 + 2.0 * d as f64];
    for (smoothing, every) in [(0.0, u64::MAX), (0.1, 4)] {
        let labels = labels(n, v, every);
        let cost = |x: Tensor<2>, weight: Tensor<2>, bias| {
            linear_cross_entropy(x, weight, bias, &labels, smoothing).reshape([1, 1])
        };
        check("projection", &[[n, d], [d, v], [1, v]], sizes, |t| {
            cost(t[0].clone(), t[1].clone(), Some(row(&t[2])))
        });
        check("projection by a table", &[[d, n], [v, d]], sizes, |t| {
            cost(t[0].clone().transpose(), t[1].clone().transpose(), None)
        });
        check("projection of what is not tracked", &[[d, v]], sizes, |t| {
            cost(constant([n, d], 7, &t[0]), t[0].clone(), None)
        });
    }
}

#[test]
fn rows_without_a_label_cost_nothing_whatever_they_are() {
    let bad = f32::NAN;
    let device = gpu().autodiff();
    let x = [[bad, 1.0], [0.5, -1.0], [f32::INFINITY, bad]];
    for labels in [[None, Some(1), None], [None; 3]] {
        let x = Tensor::<2>::from_floats(x, &device).require_grad();
        let weight = constant::<2>([2, 4], 3, &x).require_grad();
        let logits = x.clone().repeat_dim(1, 2);
        let cost = cross_entropy(logits, &labels, 0.1);
        let cost = cost + linear_cross_entropy(x.clone(), weight.clone(), None, &labels, 0.1);
        let gradients = cost.clone().backward();
        assert!(numbers(cost.inner())[0].is_finite());
        let of_weight = numbers(weight.grad(&gradients).expect("a gradient"));
        assert!(of_weight.iter().all(|x| x.is_finite()), "{of_weight:?}");
        let of_x = numbers(x.grad(&gradients).expect("a gradient"));
        for (row, label) in of_x.chunks(2).zip(labels) {
            assert_eq!(row.iter().all(|&x| x == 0.0), label.is_none(), "{row:?}");
            assert!(row.iter().all(|x| x.is_finite()), "{row:?}");
        }
    }
}
