//! What layers are made of: linear maps, norms, dropout, embeddings, rotary positions, parts.

use super::cases::matrices::row;
use super::cases::numbers;
use super::{STEPS, check, constant, gpu};
use attn_kernels::embedding::embedding;
use attn_kernels::linear::{linear, linear_maps};
use attn_kernels::narrow::narrow;
use attn_kernels::norm::{layer_norm, norm_with_residual, rms_norm};
use attn_kernels::rotary::{Pairing, rotate};
use attn_kernels::{DropoutMask, combine};
use burn::tensor::{Int, Tensor, TensorData};

/// A result has a term for each feature, a gradient of the weight for each row; all are below 4.
#[test]
fn linear_maps_are_their_twins() {
    let [rows, input, output] = [5, 11, 7];
    let sizes = [11.0, 4.0 * 11.0];
    let shapes = [[rows, input], [input, output], [1, output]];
    check("linear", &shapes, sizes, |t| linear(t[0].clone(), t[1].clone(), Some(row(&t[2]))));
    check("transposed", &[[input, rows], [output, input]], sizes, |t| {
        linear(t[0].clone().transpose(), t[1].clone().transpose(), None)
    });
    check("steps of a batch", &[[2 * rows, input], shapes[1], shapes[2]], sizes, |t| {
        let x = t[0].clone().reshape([2, rows, input]);
        linear(x, t[1].clone(), Some(row(&t[2]))).flatten(0, 1)
    });
    let shapes = [[rows, input], [input, output], [3, input], [1, output]];
    check("maps", &shapes, [3.0 * sizes[0], sizes[1]], |t| {
        let maps = [(t[1].clone(), Some(row(&t[3]))), (t[2].clone().transpose(), None)];
        let [y, z] = linear_maps(t[0].clone(), maps);
        Tensor::cat(vec![y, z, t[0].clone()], 1)
    });
}

/// As on a processor: rows are divided by little at most.
#[test]
fn norms_are_their_twins() {
    let [rows, width] = [5, 11];
    let shapes = [[rows, width], [1, width], [1, width]];
    let sizes = [11.0 + STEPS, 64.0];
    check("layer norm", &shapes, sizes, |t| layer_norm(t[0].clone(), row(&t[1]), row(&t[2]), 0.1));
    check("rms norm", &shapes[..2], sizes, |t| rms_norm(t[0].clone(), row(&t[1]), 0.1));
    check("layer norm and its input", &shapes, sizes, |t| {
        let [y, x] = norm_with_residual(t[0].clone(), row(&t[1]), Some(row(&t[2])), 0.1);
        x.clone() * y + x * 0.5
    });
    check("rms norm and its input", &shapes[..2], sizes, |t| {
        let [y, x] = norm_with_residual(t[0].clone(), row(&t[1]), None, 0.1);
        Tensor::cat(vec![y, x, t[0].clone()], 1)
    });
    check("layer norm of steps", &[[2 * rows, width], shapes[1], shapes[2]], sizes, |t| {
        let x = t[0].clone().reshape([2, rows, width]);
        layer_norm(x, row(&t[1]), row(&t[2]), 0.1).flatten(0, 1)
    });
}

#[test]
fn dropout_drops_what_it_does_on_a_processor() {
    let [b, s, width] = [2, 3, 70];
    let mask = DropoutMask::new(0.3, 7);
    let dropped = mask.apply(Tensor::<3>::ones([b, s, width], &gpu()));
    let expected = mask.factors(b * s, width);
    assert_eq!(dropped.into_data().try_into_vec::<f32>().expect("f32"), expected);
    check("dropout", &[[b * s, width]], [2.0, 8.0], |t| {
        mask.apply(t[0].clone().reshape([b, s, width])).flatten(0, 1)
    });
    check("dropout and residual", &[[s, width]; 2], [2.0, 8.0], |t| {
        mask.apply_and_add(t[0].clone(), t[1].clone())
    });
}

/// A row's gradient is a sum of as many numbers below 4 as it has copies.
#[test]
fn embeddings_are_rows_and_their_gradients_the_sums_of_the_copies() {
    let [b, s, v, m] = [3, 17, 9, 5];
    // The last ids of the table are not used, the others ten times each.
    let ids = |like: &Tensor<2>| -> Tensor<2, Int> {
        let ids = (0..(b * s) as u64).map(|at| (combine(3, at) % 5) as i64).collect();
        Tensor::from_data(TensorData::new::<i64, _>(ids, [b, s]), &like.device())
    };
    check("embedding", &[[v, m]], [(b * s) as f64, 4.0], |t| {
        embedding(t[0].clone(), ids(&t[0])).flatten(0, 1)
    });
    check("a tied table", &[[v, m]], [(b * s + v + m) as f64, 8.0 * m as f64], |t| {
        let x = embedding(t[0].clone(), ids(&t[0])).flatten::<2>(0, 1);
        linear(x, t[0].clone().transpose(), None)
    });
}

#[test]
fn rotations_turn_the_pairs_of_their_twins() {
    let [b, h, s, d] = [2, 3, 5, 8];
    for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
        for rows in [1, b] {
            let angles = |t: &Tensor<2>| [50, 51].map(|n| constant([rows, 1, s, d / 2], n, t));
            check("heads outside", &[[b * h * s, d]], [4.0, 8.0], |t| {
                let [cos, sin] = angles(&t[0]);
                let x = t[0].clone().reshape([b, h, s, d]);
                rotate(x, cos, sin, pairing).reshape([b * h * s, d])
            });
            check("heads inside", &[[b * s, h * d]], [4.0, 8.0], |t| {
                let [cos, sin] = angles(&t[0]);
                let x = t[0].clone().reshape([b, s, h, d]).swap_dims(1, 2);
                rotate(x, cos, sin, pairing).reshape([b * h * s, d])
            });
        }
    }
}

/// Numbers that nothing is done to.
#[test]
fn parts_are_those_of_the_whole() {
    check("rows", &[[7, 5]], [0.0, 0.0], |t| narrow(t[0].clone(), 0, 2, 3));
    check("columns", &[[7, 5]], [0.0, 0.0], |t| narrow(t[0].clone(), 1, 1, 4));
    let x = constant::<3>([2, 7, 5], 1, &Tensor::zeros([1, 1], &gpu()));
    assert_eq!(numbers(narrow(x.clone(), 1, 3, 2)), numbers(x.slice([0..2, 3..5, 0..5])));
}
