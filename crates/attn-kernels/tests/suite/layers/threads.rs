//! The same bits on any number of threads.

use crate::cases::matrices::{labels, row};
use crate::cases::noise;
use attn_kernels::activation::Activation;
use attn_kernels::additive::scores;
use attn_kernels::cross_entropy::{cross_entropy, linear_cross_entropy};
use attn_kernels::linear::linear;
use attn_kernels::norm::layer_norm;
use burn::tensor::{DType, Device, Tensor};

/// Sums are cut where the shape says, not where threads begin.
#[test]
fn the_bits_do_not_depend_on_the_threads() {
    let device = Device::flex();
    let draw = |dims, seed| noise::<2>(dims, seed, &device, DType::F32).autodiff().require_grad();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let [x, w, b] = [draw([700, 130], 1), draw([130, 300], 2), draw([1, 300], 3)];
            let y = linear(x.clone(), w.clone(), Some(row(&b)));
            let y = layer_norm(Activation::Gelu.forward(y), row(&b), row(&b), 1e-5);
            let cost = cross_entropy(y, &labels(700, 300, 9), 0.1);
            let gradients = cost.clone().backward();
            let of = |leaf: &Tensor<2>| leaf.grad(&gradients).expect("a gradient").into_data();
            [cost.inner().into_data(), of(&x), of(&w), of(&b)]
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        assert_eq!(one, run(threads), "{threads} threads");
    }
}

/// Of several queries, features that fill several tasks, and sums over heads.
#[test]
fn the_bits_of_additive_scores_do_not_depend_on_the_threads() {
    let device = Device::flex();
    let draw = |dims, seed| noise::<4>(dims, seed, &device, DType::F32).autodiff().require_grad();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let [q, k, v] =
                [draw([3, 2, 37, 130], 1), draw([3, 2, 41, 130], 2), draw([1, 1, 1, 130], 3)];
            let scores = scores(q.clone(), k.clone(), v.clone().reshape([130]));
            let gradients = scores.clone().square().sum().backward();
            let of = |leaf: &Tensor<4>| leaf.grad(&gradients).expect("a gradient").into_data();
            [scores.inner().into_data(), of(&q), of(&k), of(&v)]
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        assert!(one == run(threads), "{threads} threads");
    }
}

/// `gemm` sums in another order where few rows or columns are left over: no part may be so small.
#[test]
fn the_bits_of_products_do_not_depend_on_the_threads() {
    let device = Device::flex();
    let draw = |dims, seed| noise::<2>(dims, seed, &device, DType::F32).autodiff().require_grad();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let mut bits = Vec::new();
            for [rows, input, output] in [
                [385, 700, 50],
                [50, 700, 385],
                [577, 600, 2],
                [3, 600, 577],
                [1153, 530, 5],
                [1, 60, 577],
                [577, 60, 1],
            ] {
                let (x, w, t) =
                    (draw([rows, input], 1), draw([input, output], 2), draw([output, input], 3));
                let y = linear(x.clone(), w.clone(), None)
                    + linear(x.clone(), t.clone().transpose(), None);
                let labels = labels(rows, output, 9);
                let cost = linear_cross_entropy(
                    y.clone(),
                    draw([output, 7], 4),
                    None,
                    &labels.iter().map(|l| l.map(|l| l % 7)).collect::<Vec<_>>(),
                    0.1,
                );
                let gradients = cost.backward();
                bits.push(y.inner().into_data());
                bits.extend(
                    [x, w, t].map(|leaf| leaf.grad(&gradients).expect("a gradient").into_data()),
                );
            }
            let (x, w) = (draw([1500, 130], 1), draw([300, 130], 2));
            let b = draw([1, 300], 3);
            let labels = labels(1500, 300, 9);
            let cost =
                linear_cross_entropy(x.clone(), w.clone().transpose(), Some(row(&b)), &labels, 0.1);
            let gradients = cost.clone().backward();
            bits.push(cost.inner().into_data());
            bits.extend(
                [x, w, b].map(|leaf| leaf.grad(&gradients).expect("a gradient").into_data()),
            );
            bits
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        assert!(one == run(threads), "{threads} threads");
    }
}
