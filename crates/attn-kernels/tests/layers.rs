//! What a Transformer is made of beside attention: the kernels, which are of f32, against the same
//! operations on tensors of f64, which burn's own operations compute.

mod cases;

use attn_kernels::activation::Activation;
use attn_kernels::adamw::Step;
use attn_kernels::cross_entropy::{cross_entropy, linear_cross_entropy};
use attn_kernels::embedding::embedding;
use attn_kernels::linear::{linear, linear_maps};
use attn_kernels::norm::{layer_norm, norm_beside, rms_norm};
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
        check("layer norm and its input", &shapes, sizes, |t| {
            let [y, x] = norm_beside(t[0].clone(), row(&t[1]), Some(row(&t[2])), 0.1);
            x.clone() * y + x * 0.5
        });
        check("rms norm and its input", &shapes[..2], sizes, |t| {
            let [y, x] = norm_beside(t[0].clone(), row(&t[1]), None, 0.1);
            Tensor::cat(vec![y, x, t[0].clone()], 1)
        });
        check("an input whose norm is not read", &shapes[..1], sizes, |t| {
            let gamma = Tensor::<1>::ones([width], &t[0].device()).cast(t[0].dtype());
            norm_beside(t[0].clone(), gamma, None, 0.1)[1].clone() * 3.0
        });
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

/// A row's gradient is a sum of as many numbers below 4 as it has copies.
#[test]
fn embeddings_are_rows_and_their_gradients_the_sums_of_the_copies() {
    for [b, s, v, m] in
        [[1, 1, 1, 1], [2, 3, 5, 7], [3, 40, 9, 16], [7, 300, 70, 33], [2, 5, 200, 20]]
    {
        // The last ids of the table are not used.
        let rows = |like: &Tensor<2>| {
            let id = |at: u64| (combine(3, at) % (v as u64).div_ceil(2)) as i64;
            let ids = (0..(b * s) as u64).map(id).collect();
            Tensor::from_data(TensorData::new::<i64, _>(ids, [b, s]), &like.device())
        };
        check("embedding", &[[v, m]], [(b * s) as f64, 4.0], |t| {
            embedding(t[0].clone(), rows(&t[0])).flatten(0, 1)
        });
        check("embedding of columns", &[[m, v]], [(b * s) as f64, 4.0], |t| {
            embedding(t[0].clone().transpose(), rows(&t[0])).flatten(0, 1)
        });
        let table = [(b * s + v + m) as f64, 8.0 * m as f64];
        check("a tied table", &[[v, m]], table, |t| {
            let x = embedding(t[0].clone(), rows(&t[0])).flatten::<2>(0, 1);
            linear(x, t[0].clone().transpose(), None)
        });
    }
}

#[test]
#[should_panic(expected = "id 5 is not one of 5")]
fn an_id_beyond_the_table_is_refused() {
    let device = Device::flex();
    embedding(Tensor::zeros([5, 2], &device), Tensor::from_ints([[4, 5]], &device));
}

#[test]
#[should_panic(expected = "id -1 is not one of 5")]
#[allow(deprecated)]
fn an_id_before_the_table_is_refused() {
    let device = Device::ndarray();
    embedding(Tensor::zeros([5, 2], &device), Tensor::from_ints([[-1, 0]], &device));
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

/// Rows, width and vocabulary: some straddle a chunk, which is of 1,024 rows here.
const PROJECTIONS: [[usize; 3]; 6] =
    [[1, 1, 1], [3, 5, 7], [19, 33, 16], [40, 3, 100], [1025, 7, 13], [2300, 4, 3]];

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

#[test]
#[should_panic(expected = "label 5 is not one of 5")]
fn a_label_beyond_the_logits_is_refused() {
    let logits = Tensor::<2>::from_data(TensorData::zeros::<f32, _>([1, 5]), &Device::flex());
    cross_entropy(logits, &[Some(5)], 0.0);
}

#[test]
#[should_panic(expected = "label 7 is not one of 5")]
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
