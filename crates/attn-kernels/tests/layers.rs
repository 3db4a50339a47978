//! What a Transformer is made of beside attention: the kernels, which are of f32, against the same
//! operations on tensors of f64, which burn's own operations compute.

mod cases;

use attn_kernels::activation::Activation;
use attn_kernels::adamw::Step;
use attn_kernels::cross_entropy::cross_entropy;
use attn_kernels::linear::linear;
use attn_kernels::norm::{layer_norm, rms_norm};
use attn_kernels::recurrent::{gru_cell, lstm_cell};
use attn_kernels::rotary::{Pairing, rotate};
use attn_kernels::sum_of_squares::sum_of_squares;
use attn_kernels::{DropoutMask, combine};
use burn::tensor::{DType, Device, Tensor, TensorData};
use cases::{assert_close, noise, numbers};

const EPSILON: f64 = f32::EPSILON as f64;

#[allow(deprecated)] // ndarray, in favour of flex.
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// The result of a function of matrices, and their gradients.
fn answer(
    function: &dyn Fn(&[Tensor<2>]) -> Tensor<2>,
    shapes: &[[usize; 2]],
    device: &Device,
    dtype: DType,
) -> Vec<Vec<f64>> {
    // Drawn in f32, so that both have the same numbers.
    let draw = |(seed, &dims): (usize, _)| {
        let numbers = noise::<2>(dims, 1 + seed as u64, device, DType::F32).into_data();
        Tensor::<2>::from_data(numbers, (device, dtype)).autodiff().require_grad()
    };
    let inputs: Vec<_> = shapes.iter().enumerate().map(draw).collect();
    let result = function(&inputs);
    let weights = noise::<2>(result.dims(), 99, device, DType::F32).into_data();
    let weights = Tensor::<2>::from_data(weights, (device, dtype)).autodiff();
    let gradients = (result.clone() * weights).sum().backward();
    let mut answer = vec![numbers(result.inner())];
    answer.extend(inputs.iter().map(|input| numbers(input.grad(&gradients).expect("a gradient"))));
    answer
}

/// `terms`: of the longest sum; each is off by that many epsilons at most, relative to the sum of the
/// magnitudes, which is `size` at most.
fn check(
    what: &str,
    shapes: &[[usize; 2]],
    [terms, size]: [f64; 2],
    function: impl Fn(&[Tensor<2>]) -> Tensor<2>,
) {
    for device in devices() {
        let found = answer(&function, shapes, &device, DType::F32);
        let expected = answer(&function, shapes, &device, DType::F64);
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{what} {shapes:?} on {device:?}, part {part}");
            assert_close(&what, found, expected, terms * size * EPSILON);
        }
    }
}

fn row(tensor: &Tensor<2>) -> Tensor<1> {
    tensor.clone().flatten(0, 1)
}

#[test]
fn linear_maps_rows_as_burn_does() {
    for [rows, input, output] in
        [[1, 1, 1], [3, 5, 7], [1, 40, 3], [131, 33, 97], [97, 300, 50], [260, 65, 513]]
    {
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

const ACTIVATIONS: [Activation; 5] = [
    Activation::Relu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Sigmoid,
];

/// A handful of roundings each, of numbers below 8.
#[test]
fn activations_and_gates_are_those_of_burn() {
    for f in ACTIVATIONS {
        for shape in [[1, 1], [3, 7], [5, 16], [9, 1031]] {
            // From -12 to 12: into the tails.
            check("activation", &[shape], [8.0, 64.0], |t| f.forward(t[0].clone() * 6.0));
            check("gate", &[shape; 2], [8.0, 64.0], |t| f.gate(t[0].clone() * 6.0, t[1].clone()));
        }
    }
}

#[test]
fn activations_far_out_are_their_limits() {
    for device in devices() {
        for f in ACTIVATIONS {
            let x = [1e30, -1e30, f32::NAN, 60.0, -60.0, f32::INFINITY];
            let x = Tensor::<1>::from_floats(x, &device);
            let x = x.autodiff().require_grad();
            let y = f.forward(x.clone());
            let slopes = numbers(x.grad(&y.clone().sum().backward()).expect("a gradient"));
            let y = numbers(y.inner());
            let (top, slope) = if f == Activation::Sigmoid { (1.0, 0.0) } else { (1e30, 1.0) };
            assert_close("above", &[y[0], slopes[0]], &[f64::from(top as f32), slope], 0.0);
            assert_close("below", &[y[1], slopes[1]], &[0.0, 0.0], 0.0);
            assert!(y[2].is_nan(), "{f:?}");
            assert_close("60", &[slopes[3], slopes[4]], &[slope, 0.0], 1e-20);
            assert_eq!(y[5], if f == Activation::Sigmoid { 1.0 } else { f64::INFINITY }, "{f:?}");
        }
    }
}

#[test]
fn norms_are_their_equations() {
    for [rows, width] in [[1, 1], [3, 5], [65, 16], [130, 100], [2, 257]] {
        let shapes = [[rows, width], [1, width], [1, width]];
        // Rows of a single number, or of near ones, are divided by little.
        let sizes = [(rows.max(width) + 8) as f64, 64.0];
        check("layer norm", &shapes, sizes, |t| {
            layer_norm(t[0].clone(), row(&t[1]), row(&t[2]), 0.1)
        });
        check("rms norm", &shapes[..2], sizes, |t| rms_norm(t[0].clone(), row(&t[1]), 0.1));
        check("layer norm of columns", &[[width, rows], shapes[1], shapes[2]], sizes, |t| {
            layer_norm(t[0].clone().transpose(), row(&t[1]), row(&t[2]), 0.1)
        });
    }
}

#[test]
fn dropout_is_a_product_with_its_factors() {
    for [rows, width] in [[1, 1], [3, 5], [70, 16], [130, 100], [2, 5000]] {
        let mask = DropoutMask::new(0.3, 7);
        check("dropout", &[[rows, width]], [2.0, 8.0], |t| mask.apply(t[0].clone()));
        check("dropout and residual", &[[rows, width]; 2], [2.0, 8.0], |t| {
            mask.apply_and_add(t[0].clone(), t[1].clone())
        });
        for device in devices() {
            let one = Tensor::<2>::ones([rows, width], &device);
            let dropped = mask.apply(one).into_data().try_into_vec::<f32>().expect("f32");
            assert_eq!(dropped, mask.factors(rows, width));
        }
    }
}

fn labels(rows: usize, width: usize, every: u64) -> Vec<Option<u32>> {
    let label = |row| combine(5, row);
    (0..rows as u64)
        .map(|row| (!label(row).is_multiple_of(every)).then(|| (label(row) % width as u64) as u32))
        .collect()
}

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
fn a_step_of_adamw_is_its_equation() {
    for device in devices() {
        for [rows, width] in [[1, 1], [3, 7], [9, 1031]] {
            let answer = |dtype| {
                let draw = |seed| {
                    let data = noise::<2>([rows, width], seed, &device, DType::F32).into_data();
                    Tensor::<2>::from_data(data, (&device, dtype))
                };
                let mut state = (draw(1), [draw(2) * 0.0, draw(3) * 0.0]);
                for number in 1..4 {
                    let step = Step {
                        beta_1: 0.9,
                        beta_2: 0.98,
                        epsilon: 1e-8,
                        weight_decay: 0.1,
                        rate: 0.02,
                        scale: 0.5,
                        number,
                    };
                    state = step.take(state.0, draw(3 + number as u64), state.1);
                }
                let (parameter, [first, second]) = state;
                [parameter, first, second].map(numbers)
            };
            let (found, expected) = (answer(DType::F32), answer(DType::F64));
            for (found, expected) in found.iter().zip(&expected) {
                // Betas are rounded to f32: of 0.98, what is left to 1 by two millionths.
                assert_close("AdamW", found, expected, 32.0 * EPSILON);
            }
        }
    }
}

#[test]
fn sums_of_squares_are_sums_of_squares() {
    for device in devices() {
        for dims in [[1, 1], [3, 7], [9, 1031]] {
            let x = noise::<2>(dims, 1, &device, DType::F32);
            let found = numbers(sum_of_squares(x.clone().transpose()));
            let expected: f64 = numbers(x).iter().map(|x| x * x).sum();
            assert_close("squares", &found, &[expected], expected * 64.0 * EPSILON);
        }
    }
}

#[test]
fn rotations_turn_pairs_of_features() {
    for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
        for [b, h, s, d] in [[1, 1, 1, 2], [2, 3, 5, 8], [3, 2, 70, 34]] {
            let angles = |rows, like: &Tensor<2>| {
                let to = (&like.device(), like.dtype());
                let of = |f: fn(f64) -> f64| {
                    let angle = |i| f64::from(f(i as f64 * 0.37) as f32);
                    let numbers = (0..rows * s * d / 2).map(angle).collect();
                    Tensor::<4>::from_data(
                        TensorData::new::<f64, _>(numbers, [rows, 1, s, d / 2]),
                        to,
                    )
                };
                [of(f64::cos), of(f64::sin)]
            };
            for rows in [1, b] {
                check("heads outside", &[[b * h * s, d]], [4.0, 8.0], |t| {
                    let [cos, sin] = angles(rows, &t[0]);
                    let x = t[0].clone().reshape([b, h, s, d]);
                    rotate(x, cos, sin, pairing).reshape([b * h * s, d])
                });
                check("heads inside", &[[b * s, h * d]], [4.0, 8.0], |t| {
                    let [cos, sin] = angles(rows, &t[0]);
                    let x = t[0].clone().reshape([b, s, h, d]).swap_dims(1, 2);
                    rotate(x, cos, sin, pairing).reshape([b * h * s, d])
                });
            }
        }
    }
}

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

#[test]
#[should_panic(expected = "label 5 is not one of 5")]
fn a_label_beyond_the_logits_is_refused() {
    let logits = Tensor::<2>::from_data(TensorData::zeros::<f32, _>([1, 5]), &Device::flex());
    cross_entropy(logits, &[Some(5)], 0.0);
}

/// Each number is a handful of operations on numbers of order one; a gradient is of twice as many.
#[test]
fn recurrent_cells_are_their_twins_of_twice_the_precision() {
    // Widths around those of vectors, rows around those of a task.
    for [rows, d] in [[1, 1], [3, 5], [2, 16], [7, 33], [140, 9], [5, 1100]] {
        let shapes = |gates: usize| [[rows, gates * d], [rows, gates * d], [rows, d]];
        check("lstm", &shapes(4), [20.0, 2.0], |t| {
            let (hidden, cell) = lstm_cell(t[0].clone(), t[1].clone(), t[2].clone());
            Tensor::cat(vec![hidden, cell], 1)
        });
        check("gru", &shapes(3), [20.0, 2.0], |t| {
            gru_cell(t[0].clone(), t[1].clone(), t[2].clone())
        });
    }
}

/// What the gates cannot hold is as the functions' limits, forwards and backwards.
#[test]
fn recurrent_cells_saturate() {
    for device in devices() {
        let device = device.autodiff();
        let of = |x: f32, width| Tensor::<2>::full([2, width], x, &device).require_grad();
        for x in [-1e4_f32, 1e4] {
            let (gates, zeros, cell) = (of(x, 20), of(0.0, 20), of(0.5, 5));
            let (hidden, after) = lstm_cell(gates.clone(), zeros.clone(), cell.clone());
            let expected = if x > 0.0 { [1.5_f64.tanh(), 1.5] } else { [0.0, 0.0] };
            for (found, expected) in [&hidden, &after].into_iter().zip(expected) {
                let found = numbers(found.clone().inner());
                assert_close("saturated", &found, &[expected; 10], 4.0 * EPSILON);
            }
            let gradients = (hidden + after).sum().backward();
            for input in [gates, zeros, cell] {
                assert!(numbers(input.grad(&gradients).unwrap()).iter().all(|x| x.is_finite()));
            }
        }
    }
}

#[test]
#[should_panic(expected = "axis 1 expected 20, got 15")]
fn a_cell_has_four_gates() {
    let of = |width| Tensor::<2>::zeros([2, width], &Device::flex());
    lstm_cell(of(20), of(15), of(5));
}
