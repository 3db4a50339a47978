//! The loss: against PyTorch, against a double-precision sum, and where there is padding.

use attn_train::loss::{LossSum, cross_entropy};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Deserialize;

use crate::devices;

const PAD: u32 = 0;

fn tensor(rows: &[Vec<f64>], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = rows.iter().flatten().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len(), rows[0].len()]), device)
}

fn random_logits(rows: usize, vocabulary: usize, spread: f64) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(11);
    let mut row = || (0..vocabulary).map(|_| spread * random.random_range(-1.0..1.0)).collect();
    (0..rows).map(|_| row()).collect()
}

fn value(loss: &LossSum) -> f64 {
    f64::from(loss.sum.clone().into_scalar::<f32>())
}

fn values(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The definition in plain loops, in double precision, from logits rounded to single.
fn oracle(rows: &[Vec<f64>], targets: &[u32], smoothing: f64) -> f64 {
    let position = |(row, &target): (&Vec<f64>, &u32)| {
        let row: Vec<f64> = row.iter().map(|&logit| f64::from(logit as f32)).collect();
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = max + row.iter().map(|logit| (logit - max).exp()).sum::<f64>().ln();
        let uniform = smoothing / row.len() as f64;
        let cost = |(token, logit): (usize, &f64)| {
            let label = if token == target as usize { 1.0 - smoothing } else { 0.0 };
            (label + uniform) * (log_sum - logit)
        };
        row.iter().enumerate().map(cost).sum::<f64>()
    };
    rows.iter().zip(targets).filter(|(_, target)| **target != PAD).map(position).sum()
}

/// Values from `tests/data/cross_entropy_reference.py`, in double precision; the file names the
/// version of PyTorch.
#[test]
fn loss_and_gradient_are_those_of_torch() {
    #[derive(Deserialize)]
    struct Reference {
        pad: u32,
        logits: Vec<Vec<f64>>,
        targets: Vec<u32>,
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        smoothing: f64,
        sum: f64,
        gradient: Vec<Vec<f64>>,
    }
    let json = include_str!("../data/cross_entropy_reference.json");
    let reference: Reference = serde_json::from_str(json).unwrap();

    for device in devices() {
        for Case { smoothing, sum, gradient } in &reference.cases {
            let device = device.clone().autodiff();
            let logits = tensor(&reference.logits, &device).require_grad();
            let loss = cross_entropy(logits.clone(), &reference.targets, *smoothing, reference.pad);
            assert_eq!(loss.tokens, 4);
            // A sum of 4 · 5 terms below 16 in size, each rounded a few times.
            let tolerance = 4.0 * 20.0 * 16.0 * f64::from(f32::EPSILON);
            assert!((value(&loss) - sum).abs() <= tolerance, "{} {sum}", value(&loss));

            let ours = values(logits.grad(&loss.sum.backward()).unwrap());
            assert_eq!(ours.len(), gradient.iter().flatten().count());
            for (ours, theirs) in ours.into_iter().zip(gradient.iter().flatten()) {
                // Differences of probabilities, each right to a few roundings of 1.
                assert!((ours - theirs).abs() <= 16.0 * f64::from(f32::EPSILON), "{ours} {theirs}");
            }
        }
    }
}

#[test]
fn the_sum_is_that_of_the_definition_whatever_the_size_of_the_logits() {
    let [n, v] = [13, 37];
    let targets: Vec<u32> = (0..n as u32).map(|row| (row * 5) % v as u32).collect();
    for spread in [0.0, 1e-30, 1.0, 1e4, 1e30] {
        let logits = random_logits(n, v, spread);
        for device in devices() {
            for smoothing in [0.0, 0.1, 0.9] {
                let expected = oracle(&logits, &targets, smoothing);
                let loss =
                    value(&cross_entropy(tensor(&logits, &device), &targets, smoothing, PAD));
                // n · v terms of at most 2 · spread + ln v, a handful of roundings each.
                let largest = 2.0 * spread + (v as f64).ln();
                let tolerance = 4.0 * (n * v) as f64 * largest * f64::from(f32::EPSILON);
                assert!((loss - expected).abs() <= tolerance, "{spread}: {loss} {expected}");
            }
        }
    }
}

#[test]
fn a_padded_position_has_no_loss_and_no_gradient_even_if_it_is_nan() {
    let [n, v] = [5, 7];
    let targets = [3, PAD, 6, PAD, 1];
    let padded = [1, 3];
    for device in devices().map(|device| device.autodiff()) {
        for smoothing in [0.0, 0.1] {
            let clean = random_logits(n, v, 2.0);
            let mut broken = clean.clone();
            broken[1] = vec![f64::NAN; v];
            broken[3] = vec![f64::INFINITY; v];
            let run = |rows: &[Vec<f64>]| {
                let logits = tensor(rows, &device).require_grad();
                let loss = cross_entropy(logits.clone(), &targets, smoothing, PAD);
                assert_eq!(loss.tokens, 3);
                (value(&loss), values(logits.grad(&loss.sum.backward()).unwrap()))
            };
            let (loss, gradient) = run(&broken);
            assert_eq!((loss, &gradient), (run(&clean).0, &run(&clean).1));
            for row in 0..n {
                let zero = gradient[row * v..][..v].iter().all(|&g| g == 0.0);
                assert_eq!(zero, padded.contains(&row), "row {row}");
            }
        }
    }
}

#[test]
fn a_batch_of_padding_has_loss_zero_and_gradient_zero() {
    for device in devices().map(|device| device.autodiff()) {
        let logits = tensor(&vec![vec![f64::NAN; 3]; 2], &device).require_grad();
        let loss = cross_entropy(logits.clone(), &[PAD; 2], 0.1, PAD);
        assert_eq!((value(&loss), loss.tokens), (0.0, 0));
        assert_eq!(values(logits.grad(&loss.sum.backward()).unwrap()), [0.0; 6]);
    }
}

/// Sums add up, so a batch in two parts is the whole batch.
#[test]
fn two_parts_of_a_batch_add_up_to_the_batch() {
    let [n, v] = [11, 5];
    let logits = random_logits(n, v, 3.0);
    let targets = [1, 2, PAD, 3, 4, 1, PAD, PAD, 2, 4, 3];
    for device in devices() {
        let loss = |rows: std::ops::Range<usize>| {
            cross_entropy(tensor(&logits[rows.clone()], &device), &targets[rows], 0.1, PAD)
        };
        let (whole, head, tail) = (loss(0..n), loss(0..4), loss(4..n));
        assert_eq!(whole.tokens, head.tokens + tail.tokens);
        let tolerance = (n * v) as f64 * value(&whole) * f64::from(f32::EPSILON);
        assert!((value(&whole) - value(&head) - value(&tail)).abs() <= tolerance);
    }
}

#[test]
fn the_mean_is_the_sum_over_the_tokens() {
    for device in devices() {
        let loss =
            cross_entropy(tensor(&random_logits(4, 3, 1.0), &device), &[1, PAD, 2, 1], 0.0, PAD);
        let expected = value(&loss) / 3.0;
        let mean = f64::from(loss.mean().into_scalar::<f32>());
        // One rounding of a quotient near 1.
        assert!((mean - expected).abs() <= 2.0 * f64::from(f32::EPSILON), "{mean} {expected}");
    }
}

#[test]
fn half_precision_is_summed_in_single() {
    #[allow(deprecated)]
    let device = Device::flex(); // ndarray has no half precision.
    let [n, v] = [300, 3];
    let logits = Tensor::<2>::zeros([n, v], &device).cast(DType::F16);
    let loss = cross_entropy(logits, &vec![1; n], 0.0, PAD);
    assert_eq!(loss.sum.dtype(), DType::F32);
    let expected = n as f64 * (v as f64).ln();
    assert!((value(&loss) - expected).abs() <= n as f64 * expected * f64::from(f32::EPSILON));
}

#[test]
#[should_panic(expected = "2 rows of logits but 3 targets")]
fn the_loss_needs_a_target_for_each_row() {
    cross_entropy(Tensor::zeros([2, 5], &Device::default()), &[1, 2, 3], 0.0, PAD);
}

#[test]
#[should_panic(expected = "target 5 is not in a vocabulary of 5 tokens")]
fn the_loss_refuses_a_target_out_of_range() {
    cross_entropy(Tensor::zeros([2, 5], &Device::default()), &[1, 5], 0.0, PAD);
}

#[test]
#[should_panic(expected = "label smoothing 1.5 is not in 0.0..=1.0")]
fn the_loss_refuses_impossible_smoothing() {
    cross_entropy(Tensor::zeros([2, 5], &Device::default()), &[1, 2], 1.5, PAD);
}

#[test]
#[should_panic(expected = "the mean loss of 0 tokens is undefined")]
fn the_mean_loss_of_no_tokens_is_refused() {
    let _ = cross_entropy(Tensor::zeros([1, 5], &Device::default()), &[PAD], 0.0, PAD).mean();
}
