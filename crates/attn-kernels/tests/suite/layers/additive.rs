//! Scores of additive attention.

use super::against_f64::{check, devices};
use crate::cases::matrices::row;
use crate::cases::numbers;
use attn_kernels::additive::scores;
use burn::tensor::{Tensor, TensorData};

/// Batch, heads, queries, keys, features: a step of a decoder, rows that end inside a vector, several
/// tasks of queries and of features, the last of each not whole.
const SIZES: [[usize; 5]; 5] =
    [[1, 1, 1, 1, 1], [3, 1, 1, 50, 64], [2, 3, 5, 7, 21], [1, 2, 19, 4, 130], [2, 1, 8, 3, 65]];

#[test]
fn additive_scores_agree_with_their_twins_in_f64() {
    for [b, h, q, k, d] in SIZES {
        // The longest sum is a score, or a gradient: of `v` over all pairs. A term has up to eight
        // roundings of its own, most of them the tangent's, and is 4 at most.
        let terms = d.max(b * h * q * k) as f64;
        let limit = [terms + 8.0, 4.0 * terms];
        check("heads outside", &[[b * h * q, d], [b * h * k, d], [1, d]], limit, |t| {
            let query = t[0].clone().reshape([b, h, q, d]);
            let key = t[1].clone().reshape([b, h, k, d]);
            scores(query, key, row(&t[2])).reshape([b * h * q, k])
        });
        check("heads inside", &[[b * q, h * d], [b * k, h * d], [1, d]], limit, |t| {
            let query = t[0].clone().reshape([b, q, h, d]).swap_dims(1, 2);
            let key = t[1].clone().reshape([b, k, h, d]).swap_dims(1, 2);
            scores(query, key, row(&t[2])).reshape([b * h * q, k])
        });
    }
}

/// Where the tangent has reached ±1, and where sums are infinite.
#[test]
fn saturated_hidden_units_give_a_sum_of_signs() {
    for device in devices() {
        let of = |numbers: [f32; 2]| Tensor::<4>::from_floats([[[numbers]]], &device);
        let query = of([3e38, -40.0]).autodiff().require_grad();
        let key = of([3e38, 10.0]).autodiff().require_grad();
        let v = Tensor::<1>::from_floats([0.5, 0.25], &device).autodiff().require_grad();
        let score = scores(query.clone(), key.clone(), v.clone());
        let gradients = score.clone().backward();
        assert_eq!(numbers(score.inner()), [0.25], "{device:?}");
        for side in [query, key] {
            assert_eq!(numbers(side.grad(&gradients).expect("a gradient")), [0.0, 0.0]);
        }
        assert_eq!(numbers(v.grad(&gradients).expect("a gradient")), [1.0, -1.0]);
    }
}

/// Padding is hidden after it was scored, and whatever it holds stays there.
#[test]
fn readers_without_a_gradient_add_none() {
    let [q, k, d] = [3, 4, 5];
    for device in devices() {
        let draw = |rows: usize| {
            let number = |i| (i as f32 * 0.7).sin();
            let numbers = (0..rows * d).map(number).collect::<Vec<f32>>();
            Tensor::<4>::from_data(TensorData::new(numbers, [1, 1, rows, d]), &device)
        };
        let [query, v] = [draw(q), draw(1)].map(|t| t.autodiff().require_grad());
        let answer = |key: Tensor<4>| {
            let key = key.autodiff().require_grad();
            let seen =
                scores(query.clone(), key.clone(), v.clone().reshape([d])).narrow(3, 0, k - 1);
            let gradients = seen.clone().sum().backward();
            let of = |leaf: &Tensor<4>| numbers(leaf.grad(&gradients).expect("a gradient"));
            [numbers(seen.inner()), of(&query), of(&key), of(&v)]
        };
        let key = draw(k);
        let hidden = Tensor::full([1, 1, 1, d], f32::NAN, &device);
        let spoilt = key.clone().slice_assign([0..1, 0..1, k - 1..k, 0..d], hidden);
        let (expected, found) = (answer(key), answer(spoilt));
        assert_eq!(found, expected, "{device:?}");
        assert_eq!(found[2][(k - 1) * d..], [0.0; 5]);
    }
}

/// Keys of a memory that is not trained.
#[test]
fn what_is_frozen_needs_no_gradient() {
    for device in devices() {
        let query = Tensor::<4>::ones([2, 1, 3, 5], &device).autodiff().require_grad();
        let [key, v] = [[2, 1, 4, 5], [1, 1, 1, 5]].map(|dims| Tensor::<4>::ones(dims, &device));
        let scores = scores(query.clone(), key, v.reshape([5]));
        let gradient = query.grad(&scores.backward()).expect("a gradient");
        assert_eq!(gradient.dims(), [2, 1, 3, 5]);
    }
}

#[test]
fn scores_of_empty_inputs_are_empty() {
    for device in devices() {
        for [b, q, k] in [[0, 3, 4], [2, 0, 4], [2, 3, 0]] {
            let [query, key] = [q, k].map(|rows| Tensor::ones([b, 1, rows, 5], &device));
            assert_eq!(scores(query, key, Tensor::ones([5], &device)).dims(), [b, 1, q, k]);
        }
    }
}

#[test]
#[should_panic(expected = "[2, 1, 4, 6]")]
fn keys_are_as_wide_as_queries() {
    let device = burn::tensor::Device::flex();
    let [query, key] = [[2, 1, 3, 5], [2, 1, 4, 6]].map(|dims| Tensor::<4>::ones(dims, &device));
    scores(query, key, Tensor::ones([5], &device));
}

#[test]
#[should_panic(expected = "[4]")]
fn there_is_a_weight_for_each_feature() {
    let device = burn::tensor::Device::flex();
    let [query, key] = [[2, 1, 3, 5], [2, 1, 4, 5]].map(|dims| Tensor::<4>::ones(dims, &device));
    scores(query, key, Tensor::ones([4], &device));
}
