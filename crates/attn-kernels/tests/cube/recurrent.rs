//! Recurrent cells, layers of them along their sequences, and the scores of attention over these.

use super::cases::sequences::{Case, Way};
use super::cases::{assert_close, numbers};
use super::{EPSILON, STEPS, TANH, check, gpu};
use attn_kernels::additive::scores;
use attn_kernels::recurrent::{gru_cell, lstm_cell};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// A hyperbolic tangent's error goes into a state once and into a slope twice; gradients are below 4 and there
/// are two in a row, so twelve of it are between gradients at most, twenty operations beside.
const CELL: f64 = 2.5 * STEPS + 12.0 * TANH;

#[test]
fn cells_are_their_twins() {
    let [rows, d] = [3, 5];
    let shapes = |gates: usize| [[rows, gates * d], [rows, gates * d], [rows, d]];
    check("lstm", &shapes(4), [CELL, 2.0], |t| {
        let (hidden, cell) = lstm_cell(t[0].clone(), t[1].clone(), t[2].clone());
        Tensor::cat(vec![hidden, cell], 1)
    });
    check("gru", &shapes(3), [CELL, 2.0], |t| gru_cell(t[0].clone(), t[1].clone(), t[2].clone()));
}

/// A term of a sum has a tangent, or in a gradient one less its square, which is off by twice as much.
#[test]
fn additive_scores_are_their_twins() {
    let [b, h, q, k, d] = [2, 3, 2, 5, 7];
    let terms = d.max(b * h * q * k) as f64;
    let shapes = [[b * h * q, d], [b * h * k, d], [1, d]];
    check("additive scores", &shapes, [STEPS + 2.0 * TANH, terms], |t| {
        let query = t[0].clone().reshape([b, h, q, d]);
        let key = t[1].clone().reshape([b, h, k, d]);
        scores(query, key, t[2].clone().flatten(0, 1)).reshape([b * h * q, k])
    });
}

/// Rows that leave or enter one after the other, one of no step, and a step that no row has.
fn cases() -> impl Iterator<Item = Case> {
    [(3, false, true), (3, true, false), (4, false, false), (4, true, true)].into_iter().map(
        |(gates, reverse, dropout)| {
            let lengths = vec![4, 3, 3, 1, 0];
            Case { gates, lengths, steps: 5, d: 6, reverse, dropout }
        },
    )
}

/// As on a processor, and what a cell may be off by for each step.
fn tolerance(case: &Case) -> f64 {
    case.tolerance() + CELL * EPSILON * (case.steps * case.lengths.len()) as f64
}

#[test]
fn sequences_and_their_steps_are_their_twins() {
    for case in cases() {
        let expected = case.answer(Way::Twin, &Device::flex(), DType::F64);
        for (way, what) in [(Way::Kernel, "sequence"), (Way::Steps, "steps")] {
            let found = case.answer(way, &gpu(), DType::F32);
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let what = format!("{what} of {case:?}, part {part}");
                assert_close(&what, found, expected, tolerance(&case));
            }
        }
    }
}

/// What padding holds reaches neither result nor gradient, not even NaN, and has no gradient itself.
#[test]
fn padding_does_not_matter() {
    for case in cases() {
        let (rows, width) = (case.lengths.len(), case.gates * case.d);
        let (projected, rest) = case.inputs(&gpu(), DType::F32);
        let mut spoilt = numbers(projected.inner());
        let padding: Vec<usize> = (0..case.steps * rows)
            .filter(|place| place / rows >= case.lengths[place % rows])
            .collect();
        for place in &padding {
            spoilt[place * width..][..width].fill(f64::NAN);
        }
        let data = TensorData::new(spoilt, [case.steps, rows, width]);
        let projected = Tensor::<3>::from_data(data, (&gpu(), DType::F32)).autodiff();
        let projected = projected.require_grad();
        let result = case.run(Way::Kernel, (projected.clone(), rest.clone()));
        let gradients = result.clone().sum().backward();
        let result = numbers(result.inner());
        assert!(result.iter().all(|x| x.is_finite()), "{case:?}");
        let of_projected = numbers(projected.grad(&gradients).expect("a gradient"));
        for place in padding {
            assert_eq!(result[place * case.d..][..case.d], [0.0; 6], "{case:?}");
            assert!(of_projected[place * width..][..width].iter().all(|&x| x == 0.0), "{case:?}");
        }
        for x in &rest[..3] {
            let gradient = numbers(x.grad(&gradients).expect("a gradient"));
            assert!(gradient.iter().all(|x| x.is_finite()), "{case:?}");
        }
    }
}
