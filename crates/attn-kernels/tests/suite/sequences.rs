//! Recurrent layers along their sequences: the kernel against the twin, and against steps of its cell.

use super::cases::sequences::{Case, Way};
use super::cases::{assert_close, noise, numbers};
use attn_kernels::recurrent::lstm_sequence;
use burn::tensor::{DType, Device, Tensor, TensorData};

#[allow(deprecated)] // ndarray, in favor of flex.
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// Widths around those of vectors and panels, rows around those of tiles and tasks.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let lengths: [&[usize]; 7] = [
        &[1],
        &[4, 4, 4],
        &[5, 3, 3, 2, 0],
        &[6, 6, 5, 5, 5, 4, 3, 3, 2, 2, 1, 1, 0],
        &[0, 0],
        &[2; 30],
        &[3; 70],
    ];
    let widths = [1, 7, 16, 33, 40, 270, 9];
    for (number, (lengths, d)) in lengths.into_iter().zip(widths).enumerate() {
        for gates in [3, 4] {
            for reverse in [false, true] {
                let steps = lengths[0] + number % 2 + usize::from(lengths[0] == 0);
                let dropout = (number + gates) % 2 == 0 || lengths.len() == 5;
                cases.push(Case { gates, lengths: lengths.to_vec(), steps, d, reverse, dropout });
            }
        }
    }
    cases
}

fn check(case: &Case, what: &str, [found, expected]: [Vec<Vec<f64>>; 2], device: &Device) {
    for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let what = format!("{what} of {case:?} on {device:?}, part {part}");
        assert_close(&what, found, expected, case.tolerance());
    }
}

#[test]
fn sequences_agree_with_their_twins_in_f64() {
    for device in devices() {
        for case in cases() {
            let answers = [(Way::Kernel, DType::F32), (Way::Twin, DType::F64)]
                .map(|(way, dtype)| case.answer(way, &device, dtype));
            check(&case, "twin", answers, &device);
        }
    }
}

#[test]
fn sequences_are_steps_of_their_cells() {
    for device in devices() {
        for case in cases() {
            let answers =
                [Way::Kernel, Way::Steps].map(|way| case.answer(way, &device, DType::F32));
            check(&case, "steps", answers, &device);
        }
    }
}

/// The bits too: rows are dealt to as many tasks as there are threads, but none knows of the others.
#[test]
fn the_bits_of_sequences_depend_neither_on_threads_nor_on_other_rows() {
    for device in devices() {
        for gates in [3, 4] {
            for reverse in [false, true] {
                let lengths: Vec<usize> = (0..67).map(|row| 7 - row / 10).collect();
                let (steps, d) = (7, 50);
                let case = Case { gates, lengths, steps, d, reverse, dropout: true };
                let run = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.expect("threads").install(|| case.answer(Way::Kernel, &device, DType::F32))
                };
                let one = run(1);
                for threads in [2, 5] {
                    assert!(one == run(threads), "{threads} threads, {case:?}");
                }
                // Outputs of each row, and the gradient of what it read, alone.
                let (projected, [weight, hidden, beside, kept]) = case.inputs(&device, DType::F32);
                let rows = case.lengths.len();
                for row in [0, 13, 66] {
                    let of = |x: Tensor<2>| x.inner().slice_dim(0, row..row + 1);
                    let beside =
                        if gates == 4 { of(beside.clone()) } else { beside.clone().inner() };
                    let projected = projected.clone().inner().slice_dim(1, row..row + 1);
                    let length = case.lengths[row];
                    let alone = Case { lengths: vec![length], steps: length, ..case.clone() };
                    let inputs = (
                        projected.slice_dim(0, 0..length),
                        [weight.clone().inner(), of(hidden.clone()), beside, of(kept.clone())],
                    );
                    let found = numbers(alone.run(Way::Kernel, inputs));
                    let together = |step: usize| &one[0][(step * rows + row) * d..][..d];
                    let mut expected: Vec<f64> = (0..length).flat_map(together).copied().collect();
                    (0..gates - 2).for_each(|state| expected.extend(together(steps + state)));
                    assert!(found == expected, "row {row} of {case:?}");
                }
            }
        }
    }
}

/// What padding holds reaches neither result nor gradient, not even NaN, and has no gradient itself.
#[test]
fn padding_does_not_matter() {
    for device in devices() {
        for gates in [3, 4] {
            for reverse in [false, true] {
                let lengths = vec![4, 2, 0];
                let case = Case { gates, lengths, steps: 5, d: 6, reverse, dropout: false };
                let (projected, rest) = case.inputs(&device, DType::F32);
                let width = gates * case.d;
                let mut spoilt: Vec<f32> = projected.inner().into_data().iter::<f32>().collect();
                for step in 0..5 {
                    for (row, &length) in case.lengths.iter().enumerate() {
                        if step >= length {
                            spoilt[(step * 3 + row) * width..][..width].fill(f32::NAN);
                        }
                    }
                }
                let data = TensorData::new(spoilt, [5, 3, width]);
                let projected = Tensor::<3>::from_data(data, &device).autodiff().require_grad();
                let result = case.run(Way::Kernel, (projected.clone(), rest.clone()));
                let gradients = result.clone().sum().backward();
                assert!(numbers(result.clone().inner()).iter().all(|x| x.is_finite()));
                let of_projected = numbers(projected.grad(&gradients).expect("a gradient"));
                let result = numbers(result.inner());
                for step in 0..5 {
                    for (row, &length) in case.lengths.iter().enumerate() {
                        if step >= length {
                            let place = step * 3 + row;
                            assert_eq!(result[place * case.d..][..case.d], [0.0; 6]);
                            assert!(
                                of_projected[place * width..][..width].iter().all(|&x| x == 0.0)
                            );
                        }
                    }
                }
                for x in &rest[..3] {
                    let gradient = numbers(x.grad(&gradients).expect("a gradient"));
                    assert!(gradient.iter().all(|x| x.is_finite()));
                }
            }
        }
    }
}

/// A loss of the outputs alone, of the last states alone, and of one of these: what the others of
/// them would add is 0.
#[test]
fn a_loss_may_depend_on_a_part_of_the_results() {
    for device in devices() {
        for gates in [3, 4] {
            for reverse in [false, true] {
                let lengths = vec![4, 2, 2];
                let case = Case { gates, lengths, steps: 4, d: 5, reverse, dropout: true };
                let outputs = 4 * 3;
                for rows in [0..outputs, outputs..outputs + (gates - 2) * 3, outputs..outputs + 3] {
                    let answer = |way, dtype| {
                        let (projected, rest) = case.inputs(&device, dtype);
                        let result = case.run(way, (projected.clone(), rest.clone()));
                        let part = result.slice_dim(0, rows.clone());
                        let gradients = part.clone().mul(part).sum().backward();
                        let mut answer =
                            vec![numbers(projected.grad(&gradients).expect("a gradient"))];
                        let of = |x: &Tensor<2>| numbers(x.grad(&gradients).expect("a gradient"));
                        answer.extend(rest.iter().map(of));
                        answer
                    };
                    let answers = [answer(Way::Kernel, DType::F32), answer(Way::Twin, DType::F64)];
                    check(&case, "part", answers, &device);
                }
            }
        }
    }
}

/// Who reads the gates' shares of the input besides finds them as they were.
#[test]
fn inputs_with_other_owners_are_not_overwritten() {
    for device in devices() {
        for gates in [3, 4] {
            let lengths = vec![3, 3];
            let case = Case { gates, lengths, steps: 3, d: 5, reverse: false, dropout: false };
            let inputs = case.inputs(&device, DType::F32);
            let before = numbers(inputs.0.clone().inner());
            let result = case.run(Way::Kernel, inputs.clone());
            assert!(before == numbers(inputs.0.clone().inner()));
            drop(result.sum().backward());
            assert!(before == numbers(inputs.0.inner()));
        }
    }
}

/// A central difference is off by `h²` times a third derivative of order one, and by the rounding of
/// a sum of numbers of order one over `h`.
#[test]
fn gradients_of_the_twin_are_finite_differences() {
    let h = 1e-5;
    for device in devices() {
        for gates in [3, 4] {
            for reverse in [false, true] {
                let lengths = vec![3, 2, 1];
                let case = Case { gates, lengths, steps: 3, d: 2, reverse, dropout: true };
                let gradients = case.answer(Way::Twin, &device, DType::F64);
                let cost = |part: usize, at: usize, by: f64| {
                    let (projected, rest) = case.inputs(&device, DType::F64);
                    let moved = |data: TensorData| {
                        let mut values: Vec<f64> = data.iter::<f64>().collect();
                        values[at] += by;
                        TensorData::new(values, data.shape().clone())
                    };
                    let mut rest = rest.map(Tensor::inner);
                    let mut projected = projected.inner();
                    let place = (&device, DType::F64);
                    match part {
                        0 => projected = Tensor::from_data(moved(projected.into_data()), place),
                        _ => {
                            let data = moved(rest[part - 1].clone().into_data());
                            rest[part - 1] = Tensor::from_data(data, place);
                        }
                    }
                    let result = case.run(Way::Twin, (projected, rest));
                    let weights = noise::<2>(result.dims(), 99, &device, DType::F32).into_data();
                    let weights = Tensor::<2>::from_data(weights, place);
                    numbers((result * weights).sum().unsqueeze::<2>())[0]
                };
                for (part, gradient) in gradients[1..].iter().enumerate() {
                    for (at, &found) in gradient.iter().enumerate() {
                        let expected = (cost(part, at, h) - cost(part, at, -h)) / (2.0 * h);
                        let what = format!("{case:?}, part {part}, element {at}");
                        assert_close(&what, &[found], &[expected], 1e-8);
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "row 1 is longer than row 0: 3 and 2 steps")]
fn rows_must_be_sorted_by_length() {
    let case =
        Case { gates: 4, lengths: vec![2, 3], steps: 3, d: 2, reverse: false, dropout: false };
    case.run(Way::Kernel, case.inputs(&Device::flex(), DType::F32));
}

#[test]
#[should_panic(expected = "row 0 has length 4, more than its 3 steps")]
fn a_row_is_not_longer_than_the_steps() {
    let case = Case { gates: 3, lengths: vec![4], steps: 3, d: 2, reverse: false, dropout: false };
    case.run(Way::Kernel, case.inputs(&Device::flex(), DType::F32));
}

#[test]
#[should_panic(expected = "axis 1 expected 8, got 6")]
fn a_weight_is_of_four_gates() {
    let zeros = |dims| Tensor::<2>::zeros(dims, &Device::flex());
    let projected = Tensor::<3>::zeros([1, 1, 8], &Device::flex());
    lstm_sequence(projected, zeros([2, 6]), [zeros([1, 2]), zeros([1, 2])], None, &[1], false);
}
