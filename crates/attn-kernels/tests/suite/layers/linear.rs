//! Linear maps.

use super::against_f64::{check, devices};
use crate::cases::matrices::row;
use crate::cases::{noise, numbers};
use attn_kernels::linear::{linear, linear_maps, row_invariant_linear};
use burn::tensor::{DType, Tensor};

#[test]
fn linear_maps_rows_as_burn_does() {
    for [rows, input, output] in [
        [1, 1, 1],
        [3, 5, 7],
        [1, 40, 3],
        [131, 33, 97],
        [97, 300, 50],
        [260, 65, 513],
        [97, 40, 512],
        [70, 1024, 33],
    ] {
        let terms = rows.max(input).max(output) as f64;
        let sizes = [terms, 4.0 * terms];
        let shapes = [[rows, input], [input, output], [1, output]];
        check("linear", &shapes, sizes, |t| linear(t[0].clone(), t[1].clone(), Some(row(&t[2]))));
        check("linear without bias", &shapes[..2], sizes, |t| {
            linear(t[0].clone(), t[1].clone(), None)
        });
        // A table of embeddings, and rows that are columns.
        check("transposed", &[[input, rows], [output, input]], sizes, |t| {
            linear(t[0].clone().transpose(), t[1].clone().transpose(), None)
        });
        check("steps of a batch", &[[rows * 2, input], [input, output]], sizes, |t| {
            let x = t[0].clone().reshape([2, rows, input]);
            linear(x, t[1].clone(), None).flatten(0, 1)
        });
        check("every other feature", &[[rows, 2 * input], [input, output]], sizes, |t| {
            let x = t[0].clone().reshape([rows, input, 2]).slice([0..rows, 0..input, 1..2]);
            linear(x.squeeze_dim::<2>(2), t[1].clone(), None)
        });
    }
}

#[test]
fn linear_maps_of_nothing_are_nothing() {
    for device in devices() {
        let zeros = |dims| Tensor::<2>::zeros(dims, &device);
        assert_eq!(linear(zeros([0, 3]), zeros([3, 4]), None).dims(), [0, 4]);
        let ones = Tensor::<1>::ones([4], &device);
        assert_eq!(numbers(linear(zeros([2, 0]), zeros([0, 4]), Some(ones))), [1.0; 8]);
    }
}

#[test]
fn linear_maps_of_one_tensor_are_those_of_one_after_the_other() {
    for [rows, input, output] in [[1, 1, 1], [3, 5, 7], [131, 33, 97], [260, 65, 113]] {
        let terms = 3.0 * rows.max(input).max(output) as f64;
        let shapes =
            [[rows, input], [input, output], [input, 2], [3, input], [1, output], [rows, 2]];
        check("maps", &shapes, [terms, 4.0 * terms], |t| {
            let maps = [
                (t[1].clone(), Some(row(&t[4]))),
                (t[2].clone(), None),
                (t[3].clone().transpose(), None),
            ];
            let [a, b, c] = linear_maps(t[0].clone(), maps);
            // A reader that is not one of the maps, and results that read each other.
            let b = b * t[5].clone();
            Tensor::cat(vec![a, b, c, t[0].clone()], 1)
        });
        let shapes = [[2 * rows, input], [input, output], [input, 2]];
        check("of steps, of which one is read", &shapes[..2], [terms, 4.0 * terms], |t| {
            let x = t[0].clone().reshape([2, rows, input]);
            let unread = t[1].clone().slice([0..input, 0..1]) * 2.0;
            let [y, _] = linear_maps(x, [(t[1].clone(), None), (unread, None)]);
            y.flatten(0, 1)
        });
        check("of what is not tracked", &shapes[1..], [terms, 4.0 * terms], |t| {
            let x = noise::<2>([rows, input], 7, &t[0].device(), DType::F32).into_data();
            let x = Tensor::<2>::from_data(x, (&t[0].device(), t[0].dtype()));
            Tensor::cat(linear_maps(x, [(t[0].clone(), None), (t[1].clone(), None)]).into(), 1)
        });
    }
}

/// Alone, in batches of few rows, and in one that is cut for several threads; to the last bit. Sizes on both sides of
/// those where `gemm` sums in another order, and weights in both orders.
#[test]
fn a_row_has_the_same_bits_however_many_rows_there_are() {
    for device in devices() {
        for [input, output] in [[1, 4], [2, 70], [5, 3], [300, 40], [700, 33], [1100, 1], [900, 90]]
        {
            let x = noise::<2>([300, input], 1, &device, DType::F32);
            let weight = noise::<2>([input, output], 2, &device, DType::F32);
            let bias = noise::<1>([output], 3, &device, DType::F32);
            let by_columns = weight.clone().transpose().add_scalar(0.0).transpose();
            for weight in [weight, by_columns] {
                let map = |rows: usize| {
                    let x = x.clone().narrow(0, 0, rows);
                    numbers(row_invariant_linear(x, weight.clone(), Some(bias.clone())))
                };
                let all = map(300);
                for rows in [1, 2, 3, 5, 16, 97, 250] {
                    assert_eq!(
                        map(rows),
                        all[..rows * output],
                        "{rows} rows of {input} x {output}"
                    );
                }
            }
        }
    }
}

/// The result and the gradients are those of [`linear`], also of a single row.
#[test]
fn row_invariant_maps_are_linear_maps() {
    for [rows, input, output] in [[1, 1, 1], [1, 40, 3], [3, 700, 7], [4, 30, 1]] {
        let terms = rows.max(input).max(output) as f64;
        let shapes = [[rows, input], [input, output], [1, output]];
        check("row-invariant", &shapes, [terms, 4.0 * terms], |t| {
            row_invariant_linear(t[0].clone(), t[1].clone(), Some(row(&t[2])))
        });
    }
}
