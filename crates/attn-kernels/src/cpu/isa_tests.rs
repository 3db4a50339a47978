//! The kernels of layers, each by every instruction set that the processor has, against the portable
//! one: rows that end inside a vector, and slices of several tasks.
//!
//! What they should compute is tested through tensors, in `tests/suite/layers`; this is on bare slices,
//! which Miri can run.

use super::dropout::DropoutRows;
use super::simd::Isa;
#[cfg(any(feature = "ndarray", feature = "flex"))]
use super::transpose::transposed;
use super::{activation, adamw, cross_entropy, norm, rotary, sum_of_squares};
use crate::layout::View;
use crate::parameters::{Activation, DropoutMask, Pairing, Step};
use crate::random::combine;

/// Uniform in `[-1, 1)`.
fn noise(size: usize, seed: u64) -> Vec<f32> {
    let number = |i| (combine(seed, i as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0;
    (0..size).map(number).collect()
}

/// Rows and columns: the last row of a task, and the last vector of a row, are not whole.
/// Under Miri, which is a thousand times slower, a few rows alone.
const SIZES: &[[usize; 2]] =
    if cfg!(miri) { &[[2, 21]] } else { &[[2, 21], [67, 5], [131, 300], [1, 16]] };

/// Slices by every instruction set are as far apart as sums of their numbers in another order may be
/// (Higham 2002, section 3.1), with a few roundings for each term: of exponentials, and of products
/// that one of them rounds and another does not.
fn agree(sizes: [usize; 2], kernel: impl Fn(Isa) -> Vec<Vec<f32>>) {
    let [rows, columns] = sizes;
    let limit = 8.0 * rows.max(columns) as f32 * f32::EPSILON;
    let expected = kernel(Isa::Portable);
    for isa in Isa::all() {
        for (part, (found, expected)) in kernel(isa).iter().zip(&expected).enumerate() {
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let off = (found - expected).abs() / largest;
                assert!(off <= limit, "{}: {i} of {part} at {sizes:?}: {off:e}", isa.name());
            }
        }
    }
}

#[test]
fn activations() {
    for &sizes in SIZES {
        let size = sizes[0] * sizes[1];
        let (x, y) = (noise(size, 1), noise(size, 2));
        for f in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
            agree(sizes, |isa| {
                let (mut g, mut gated_x, mut gated_g) = (y.clone(), x.clone(), y.clone());
                activation::backward(isa, f, &x, &mut g);
                activation::gated_backward(isa, f, &y, &mut gated_x, &mut gated_g);
                let values = activation::forward(isa, f, &x);
                vec![values, activation::gated_forward(isa, f, &x, &y), g, gated_x, gated_g]
            });
        }
    }
}

#[test]
fn norms() {
    for &sizes in SIZES {
        let [rows, columns] = sizes;
        let size = rows * columns;
        let (x, gain, shift) = (noise(size, 1), noise(columns, 2), noise(columns, 3));
        for centered in [false, true] {
            let shift = centered.then_some(shift.as_slice());
            let rows = norm::Rows { x: &x, gain: &gain, shift, centered, epsilon: 1e-3 };
            agree(sizes, |isa| {
                let (mut alone, mut beside) = (noise(size, 4), noise(size, 4));
                let [gain, shift] = norm::backward(isa, rows, &mut alone, None);
                norm::backward(isa, rows, &mut beside, Some(&x));
                vec![norm::forward(isa, rows), alone, beside, gain, shift]
            });
        }
    }
}

#[test]
fn losses() {
    for &sizes in SIZES {
        let [rows, columns] = sizes;
        let logits = noise(rows * columns, 1);
        let label = |row: usize| (row % 3 != 1).then_some((row * 7 % columns) as u32);
        let of_rows: Vec<_> = (0..rows).map(label).collect();
        let labels = cross_entropy::Labels { of_rows: &of_rows, smoothing: 0.1 };
        agree(sizes, |isa| {
            let (costs, saved) = cross_entropy::forward(isa, &logits, labels);
            let (mut gradient, mut both) = (logits.clone(), logits.clone());
            cross_entropy::backward(isa, &mut gradient, labels, &saved, 0.5);
            let costs_of_both = cross_entropy::forward_and_backward(isa, &mut both, labels);
            vec![costs, gradient, costs_of_both, both]
        });
    }
}

#[test]
fn elementwise_updates() {
    let step = Step {
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-3,
        weight_decay: 0.1,
        rate: 0.1,
        scale: 0.5,
        number: 2,
    };
    let mask = DropoutMask::new(0.3, 5);
    for &sizes in SIZES {
        let size = sizes[0] * sizes[1];
        let x = noise(size, 1);
        agree(sizes, |isa| {
            let [mut parameter, mut first] = [noise(size, 2), noise(size, 3)];
            let mut second: Vec<_> = noise(size, 4).into_iter().map(f32::abs).collect();
            adamw::step(isa, &mut parameter, &x, [&mut first, &mut second], &step);
            let (mut alone, mut beside) = (x.clone(), x.clone());
            let drop = |plus| DropoutRows { width: sizes[1], mask: &mask, plus };
            drop(None).in_place(isa, &mut alone);
            drop(Some(&parameter)).in_place(isa, &mut beside);
            assert_eq!(drop(None).of(isa, &x), alone, "of a copy");
            assert_eq!(drop(Some(&parameter)).of(isa, &x), beside, "of a copy");
            let squares = vec![sum_of_squares::sum_of_squares(isa, &x)];
            vec![parameter, first, second, alone, beside, squares]
        });
    }
}

#[test]
fn rotations() {
    let [batch, heads, steps, width] = if cfg!(miri) { [2, 2, 2, 6] } else { [2, 3, 70, 42] };
    let size = batch * heads * steps * width;
    let x = noise(size, 1);
    let of_one = steps * width / 2;
    let angles = noise(batch * of_one, 2);
    let [cos, sin]: [Vec<_>; 2] =
        [f32::cos, f32::sin].map(|f| angles.iter().map(|&a| f(a)).collect());
    let plain = [heads * steps * width, steps * width, width, 1];
    let inside = [heads * steps * width, width, heads * width, 1];
    for strides in [plain, inside] {
        let view = View { data: &x, shape: [batch, heads, steps, width], strides };
        for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
            for count in [of_one, batch * of_one] {
                agree([heads, width], |isa| {
                    let angles = rotary::Angles { cos: &cos[..count], sin: &sin[..count] };
                    let turn = |to| rotary::rotate(isa, &view, angles, pairing, to).data;
                    [rotary::Direction::Forwards, rotary::Direction::Backwards].map(turn).to_vec()
                });
            }
        }
    }
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
#[test]
fn tables() {
    use super::embedding;

    for &sizes in SIZES {
        let [rows, width] = sizes;
        let table = noise(9 * width, 1);
        // Several copies of some rows of the table, none of others.
        let ids: Vec<_> = (0..rows).map(|row| row * row % 7).collect();
        let gradient = noise(rows * width, 2);
        agree(sizes, |isa| {
            let found = embedding::forward(&table, width, &ids);
            vec![found, embedding::backward(isa, &gradient, &ids, [9, width])]
        });
    }
}

/// Two heads, several panels of features, the last of which ends inside a vector. Also under Miri enough
/// that two threads share it.
#[cfg(any(feature = "ndarray", feature = "flex"))]
#[test]
fn additive_scores() {
    use super::additive::{Pairs, backward, forward};

    let (queries, keys, d) = if cfg!(miri) { (9, 2, 133) } else { (19, 13, 133) };
    let [query, key] = [(queries, 1), (keys, 2)].map(|(rows, seed)| noise(2 * rows * d, seed));
    let v = noise(d, 3);
    let pairs = Pairs { query: &query, key: &key, v: &v, queries, keys, d };
    let mut gradient = noise(2 * queries * keys, 4);
    gradient[3] = 0.0;
    agree([2 * queries * keys, d], |isa| {
        let [of_query, of_key, of_v] = backward(isa, pairs, &gradient);
        vec![forward(isa, pairs), of_query, of_key, of_v]
    });
}

/// The product is `gemm`'s, which chooses instructions for itself: against plain sums.
#[cfg(any(feature = "ndarray", feature = "flex"))]
#[test]
fn products() {
    use super::linear::{Addend, product, product_into, sum_rows};
    use super::matrix::Matrix;

    let sizes = if cfg!(miri) { [2, 3, 5] } else { [130, 70, 300] };
    let [rows, depth, columns] = sizes;
    let (a, b, bias) = (noise(rows * depth, 1), noise(depth * columns, 2), noise(columns, 3));
    let near = |found: f32, expected: f64| {
        // A rounding for each term, each of at most 1.
        let limit = (depth + 2) as f64 * depth as f64 * f64::from(f32::EPSILON);
        assert!((f64::from(found) - expected).abs() <= limit, "{found} of {expected} at {sizes:?}");
    };
    for by_columns in [false, true] {
        let left = if by_columns { [1, rows] } else { [depth, 1] };
        let right = if by_columns { [1, depth] } else { [columns, 1] };
        let left = Matrix::new(&a, [rows, depth], left);
        let right = Matrix::new(&b, [depth, columns], right);
        let at = |i: usize, j: usize, k: usize| {
            let of_a = if by_columns { k * rows + i } else { i * depth + k };
            let of_b = if by_columns { j * depth + k } else { k * columns + j };
            f64::from(a[of_a]) * f64::from(b[of_b])
        };
        let with_row = product(left, right, Some(&bias));
        let mut old = vec![1.0; rows * columns];
        product_into(left, right, Addend::Previous, &mut old);
        for (i, (with_row, old)) in with_row.chunks(columns).zip(old.chunks(columns)).enumerate() {
            for j in 0..columns {
                let sum = (0..depth).map(|k| at(i, j, k)).sum::<f64>();
                near(with_row[j], sum + f64::from(bias[j]));
                near(old[j], sum + 1.0);
            }
        }
    }
    agree([rows, depth], |isa| vec![sum_rows(isa, &a, depth)]);
}

/// Rows of unequal length, one of them of no step, in both directions.
#[cfg(any(feature = "ndarray", feature = "flex"))]
#[test]
fn sequences() {
    use super::sequence::{Kind, OutputGradients, Sequences, backward, forward, of_weight};

    let (lengths, d): (&[usize], _) =
        if cfg!(miri) { (&[2, 1, 0], 5) } else { (&[7, 7, 4, 4, 3, 2, 2, 1, 1, 1, 1, 0], 21) };
    let (rows, steps) = (lengths.len(), lengths[0] + 1);
    let [hidden, cell, factors] = [1, 2, 3].map(|seed| noise(rows * d, seed));
    for kind in [Kind::Lstm, Kind::Gru] {
        let gates = noise(steps * rows * kind.gates() * d, 4);
        let weight: Vec<f32> =
            noise(d * kind.gates() * d, 5).iter().map(|w| w / (d as f32).sqrt()).collect();
        let bias = if kind == Kind::Gru { noise(3 * d, 6) } else { Vec::new() };
        let cell = if kind == Kind::Lstm { cell.as_slice() } else { &[] };
        let gradient = noise(steps * rows * d, 7);
        let last = noise(kind.states() * rows * d, 8);
        for reverse in [false, true] {
            let sequences = Sequences {
                kind,
                lengths,
                steps,
                reverse,
                d,
                weight: &weight,
                bias: &bias,
                hidden: &hidden,
                cell,
                dropout_factors: Some(&factors),
            };
            agree([rows, steps * d], |isa| {
                let mut gates = gates.clone();
                let [output, mut extra, states] = forward(isa, sequences, &mut gates);
                let passed = OutputGradients { output: &output, gradient: &gradient, last: &last };
                let found = backward(isa, sequences, passed, [&mut gates, &mut extra], true);
                let of_weight = of_weight(sequences, &output, &gates, &extra);
                // Elements behind the end of a sequence are not defined.
                let real = |x: &[f32], width: usize| {
                    let row = |place: usize| lengths[place % rows] > place / rows;
                    let parts = x.chunks(width).enumerate();
                    parts.filter(|&(place, _)| row(place)).flat_map(|(_, x)| x.to_vec()).collect()
                };
                let of_gates = real(&gates, kind.gates() * d);
                vec![
                    output,
                    states,
                    of_gates,
                    of_weight,
                    found.hidden,
                    found.cell,
                    found.dropout_factors,
                ]
            });
        }
    }
}

#[test]
#[cfg(any(feature = "ndarray", feature = "flex"))]
fn transposed_matrices() {
    for &[rows, columns] in SIZES {
        let column = rows + 3;
        let data = noise(columns * column, 1);
        let expected: Vec<_> =
            (0..rows * columns).map(|at| data[at % columns * column + at / columns]).collect();
        for isa in Isa::all() {
            assert_eq!(transposed(isa, &data, [rows, columns], column), expected, "{}", isa.name());
        }
    }
}
