//! The law of attention, rule by rule, under every mask.

use super::{PAIRS, Sample, assert_close, devices, lowered, masks, values};
use attn_core::alignment::{Alignment, Past, weigh};
use attn_core::{Mask, Mechanism};
use burn::tensor::Device;

/// Rules 3, 4 and 7 of the law for an alignment: hidden keys and blind queries have the weight 0,
/// what is hidden does not matter, not even NaN, and gradients through it are 0. Where all keys are
/// visible the scores have a gradient that is not 0. Returns nothing; what weights sum to is the
/// alignment's own affair.
#[track_caller]
pub fn check_law_of_alignment<A: Alignment>(what: &str, init: impl Fn(&Device) -> A) {
    check_law(what, true, init);
}

/// As [`check_law_of_alignment`], of an alignment whose weights give the scores no gradient.
#[track_caller]
pub fn check_law_of_alignment_without_gradient<A: Alignment>(
    what: &str,
    init: impl Fn(&Device) -> A,
) {
    check_law(what, false, init);
}

#[track_caller]
fn check_law<A: Alignment>(what: &str, learns: bool, init: impl Fn(&Device) -> A) {
    for device in devices() {
        let device = device.autodiff();
        let alignment = init(&device);
        let clean = Sample::random(PAIRS, 5).scaled(3.0);
        let query = Sample::random([PAIRS[0], PAIRS[1], PAIRS[2], 5], 6).f32(&device);
        for (name, mask) in masks() {
            let what = format!("{what} under {name} on {device:?}");
            let visible = lowered(&mask, PAIRS);
            let answer = |scores: &Sample| {
                let leaf = scores.f32(&device).require_grad();
                attn_core::random::seed(3);
                let past = Past::start();
                let aligned = weigh(&alignment, leaf.clone(), Some(&query), &mask, &past);
                let upstream = Sample::random(PAIRS, 7).f32(&device);
                let gradients = (aligned.weights.clone() * upstream).sum().backward();
                let gradient = leaf.grad(&gradients).map(|gradient| values(&gradient));
                assert!(gradient.is_some() || !learns, "{what}: the scores have no gradient");
                (values(&aligned.weights), gradient.unwrap_or_else(|| vec![0.0; visible.len()]))
            };
            let (weights, gradient) = answer(&clean);
            if !visible.contains(&false) {
                let moves = gradient.iter().any(|&slope| slope != 0.0);
                assert_eq!(moves, learns, "{what}: whether the scores learn");
            }
            for (n, &visible) in visible.iter().enumerate() {
                assert!(weights[n].is_finite(), "{what}: weight {n} is {}", weights[n]);
                assert!(gradient[n].is_finite(), "{what}: gradient {n} is {}", gradient[n]);
                if !visible {
                    assert_eq!(weights[n], 0.0, "{what}: hidden weight {n}");
                    assert_eq!(gradient[n], 0.0, "{what}: gradient of hidden score {n}");
                }
            }
            assert!(answer(&clean).0 == weights, "{what}: another answer the second time");

            let mut poisoned = clean.clone();
            for (n, &visible) in visible.iter().enumerate() {
                if !visible {
                    poisoned.data[n] = [f64::NAN, f64::INFINITY, -1e30][n % 3];
                }
            }
            assert!(answer(&poisoned) == (weights, gradient), "{what}: what is hidden leaks");
        }
    }
}

/// Rules 3, 4 and 7 of the law for a mechanism of grouped queries, 4 heads on 2, width 8, 6 queries
/// on 7 keys, under `masks`: queries that see no key get 0; keys and values that nobody sees do not
/// matter, not even NaN; all gradients are finite, and 0 where nothing is seen.
#[track_caller]
pub fn check_law_of_mechanism<M: Mechanism>(
    what: &str,
    init: impl Fn(&Device) -> M,
    masks: &[(&str, Mask)],
) {
    let [batch, heads, queries, keys] = PAIRS;
    for device in devices() {
        let device = device.autodiff();
        let mechanism = init(&device);
        let query = Sample::random([batch, heads, queries, 8], 11);
        let key = Sample::random([batch, heads / 2, keys, 8], 12);
        let value = Sample::random([batch, heads / 2, keys, 3], 13);
        for (name, mask) in masks {
            let what = format!("{what} under {name} on {device:?}");
            let visible = lowered(mask, PAIRS);
            let sees = |b: usize, h: usize, i: usize| {
                &visible[((b * heads + h) * queries + i) * keys..][..keys]
            };
            let answer = |inputs: [&Sample; 3]| {
                attn_core::random::seed(3);
                let [q, k, v] = inputs.map(|sample| sample.f32(&device).require_grad());
                let context = mechanism.forward(q.clone(), k.clone(), v.clone(), mask);
                assert_eq!(context.dims(), [batch, heads, queries, 3], "{what}");
                let upstream = Sample::random([batch, heads, queries, 3], 14).f32(&device);
                let gradients = (context.clone() * upstream).sum().backward();
                let found = [&q, &k, &v].map(|leaf| leaf.grad(&gradients));
                let missing = found.each_ref().map(Option::is_none);
                let sizes = [q, k, v].map(|leaf| leaf.shape().num_elements());
                let found = [0, 1, 2].map(|part| {
                    let zeros = vec![0.0; sizes[part]];
                    found[part].as_ref().map_or(zeros, values)
                });
                (values(&context), found, missing)
            };
            let inputs = [&query, &key, &value];
            let (context, gradients, missing) = answer(inputs);
            assert!(context.iter().all(|x| x.is_finite()), "{what}: context {context:?}");
            for (part, gradient) in ["query", "key", "value"].iter().zip(&gradients) {
                assert!(gradient.iter().all(|x| x.is_finite()), "{what}: d {part} {gradient:?}");
            }
            for (part, missing) in missing.into_iter().enumerate() {
                let name = ["query", "key", "value"][part];
                if missing {
                    // Then it must be that what is there does not matter.
                    let other = Sample::random(inputs[part].dims, 15);
                    let mut inputs = inputs;
                    inputs[part] = &other;
                    assert!(answer(inputs).0 == context, "{what}: the {name} has no gradient");
                } else {
                    let moves = gradients[part].iter().any(|&slope| slope != 0.0);
                    assert_eq!(moves, visible.contains(&true), "{what}: if the {name} learns");
                }
            }
            for b in 0..batch {
                for h in 0..heads {
                    for i in (0..queries).filter(|&i| !sees(b, h, i).contains(&true)) {
                        let row = (b * heads + h) * queries + i;
                        assert_eq!(context[row * 3..][..3], [0.0; 3], "{what}: blind {b} {h} {i}");
                        assert_eq!(gradients[0][row * 8..][..8], [0.0; 8], "{what}: d blind query");
                    }
                }
            }
            let again = answer(inputs) == (context.clone(), gradients.clone(), missing);
            assert!(again, "{what}: another answer the second time");

            // Keys that no query of any head of the group sees.
            let mut poisoned = (key.clone(), value.clone());
            for b in 0..batch {
                for g in 0..heads / 2 {
                    for j in 0..keys {
                        let mut rows =
                            (2 * g..2 * g + 2).flat_map(|h| (0..queries).map(move |i| (h, i)));
                        if rows.any(|(h, i)| sees(b, h, i)[j]) {
                            continue;
                        }
                        let row = (b * (heads / 2) + g) * keys + j;
                        poisoned.0.data[row * 8 + 1] = f64::NAN;
                        poisoned.1.data[row * 3 + 2] = f64::INFINITY;
                        assert_eq!(gradients[1][row * 8..][..8], [0.0; 8], "{what}: d hidden key");
                        assert_eq!(
                            gradients[2][row * 3..][..3],
                            [0.0; 3],
                            "{what}: d hidden value"
                        );
                    }
                }
            }
            // Fused kernels turn to another order of sums where something is not finite.
            let found = answer([&query, &poisoned.0, &poisoned.1]);
            assert_close(&format!("{what}: leak"), &found.0, &context, 1e-5);
            for (found, expected) in found.1.iter().zip(&gradients) {
                assert_close(&format!("{what}: leak in a gradient"), found, expected, 1e-5);
            }
        }
    }
}

/// That weights and their gradient in the scores are finite for scores of up to ±1e4.
#[track_caller]
pub fn check_large_scores<A: Alignment>(what: &str, init: impl Fn(&Device) -> A) {
    for device in devices() {
        let device = device.autodiff();
        let alignment = init(&device);
        let query = Sample::random([PAIRS[0], PAIRS[1], PAIRS[2], 5], 31).scaled(1e4).f32(&device);
        // Signs alone, ones between, and steps in which each is far above the one before.
        for (seed, factor) in [(32, 1e4), (33, 30.0), (34, 1e3)] {
            let mut scores = Sample::random(PAIRS, seed);
            scores.data.iter_mut().for_each(|x| *x = if seed == 32 { x.signum() } else { *x });
            let scores = scores.scaled(factor).f32(&device).require_grad();
            let past = Past::start();
            let aligned = weigh(&alignment, scores.clone(), Some(&query), &Mask::causal(), &past);
            let upstream = Sample::random(PAIRS, 35).f32(&device);
            let gradients = (aligned.weights.clone() * upstream).sum().backward();
            let gradient = scores.grad(&gradients).map_or_else(Vec::new, |g| values(&g));
            for x in values(&aligned.weights).iter().chain(&gradient) {
                assert!(x.is_finite(), "{what}, scores of {factor:e} on {device:?}: {x}");
            }
        }
    }
}
