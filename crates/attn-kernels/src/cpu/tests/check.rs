//! How far off an answer is, and whether that is too far.

use super::super::simd::{Isa, Real};
use super::case::Case;
use super::data::{Answer, noise};
use crate::random::combine;
use proptest::prelude::*;

/// Largest difference, relative to the largest of what is expected.
pub(super) fn error<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, x| a.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(found, &expected)| {
        let found = found.to_f64();
        if found == expected { 0.0 } else { (found - expected).abs() / largest.max(1e-30) }
    });
    // NaN, where one of them is or both are infinite, is the largest.
    differences.fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

/// How far plain loops are off in each part of the answer, where inputs are perturbed by an epsilon.
fn perturbed_error<T: Real>(case: &Case, expected: &Answer<f64>, perturbation: u64) -> Vec<f64> {
    let mut data = case.data::<T>();
    for (i, input) in data.inputs().into_iter().enumerate().filter(|_| perturbation > 0) {
        let steps = noise::<T>(input.len(), combine(perturbation, i as u64));
        let perturbed = |step: T| T::from_f64(1.0 + step.to_f64() * epsilon::<T>());
        input.iter_mut().zip(steps).for_each(|(x, step)| *x = *x * perturbed(step));
    }
    let parts = data.answer(None).into_iter().zip(expected);
    parts.map(|((_, found), (_, expected))| error(&found, expected)).collect()
}

fn epsilon<T: Real>() -> f64 {
    if size_of::<T>() == size_of::<f32>() { f32::EPSILON.into() } else { f64::EPSILON }
}

/// No further from plain loops in f64 than three times what plain loops in `T` are, and some
/// epsilons.
///
/// One sum may happen to come out exact by plain loops: what looks worse is held to the worst of
/// several, which says how well the case is conditioned. (Twice is what many cases together keep
/// to.)
pub(super) fn check<T: Real>(case: &Case, epsilons: f64) -> Result<(), TestCaseError> {
    let expected = case.data::<f64>().answer(None);
    let data = case.data::<T>();
    for isa in Isa::all() {
        let found = data.answer(Some(isa));
        for (i, ((part, found), (_, expected_part))) in found.iter().zip(&expected).enumerate() {
            let off = error(found, expected_part);
            let slack = epsilons * epsilon::<T>();
            let is_near = |perturbation| {
                off <= 3.0 * perturbed_error::<T>(case, &expected, perturbation)[i] + slack
            };
            prop_assert!(
                off <= slack || (0..8).any(is_near),
                "{}: {part} is off by {off:e}, plainly computed by {:?}",
                isa.name(),
                (0..8)
                    .map(|perturbation| perturbed_error::<T>(case, &expected, perturbation)[i])
                    .collect::<Vec<_>>()
            );
        }
    }
    Ok(())
}
