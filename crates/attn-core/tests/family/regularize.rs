//! The entropy of attention as a regularizer.

use super::support::{
    PAIRS, Sample, assert_close, check_gradients, devices, lowered, masks, values,
};
use attn_core::Mask;
use attn_core::alignment::{Past, SoftmaxConfig, weigh};
use attn_core::regularize::{EntropyGoal, EntropyRegularizer, entropy};
use burn::tensor::{DType, Device, FloatDType, Tensor};

#[test]
fn losses_have_their_gradients() {
    let random = Sample::random([1, 2, 4, 5], 4);
    let weights = Sample::from_fn(random.dims, |n| 0.55 + 0.5 * random.data[n]);
    // Differences of x ln x are off by step² = 1e-10 over x², with weights above 0.05.
    check_gradients("entropy", std::slice::from_ref(&weights), 1e-6, |inputs| {
        entropy(inputs[0].clone()).unsqueeze_dim(3)
    });
    for goal in [EntropyGoal::Spread, EntropyGoal::Focus] {
        let regularizer = EntropyRegularizer::new(goal, 0.3);
        check_gradients("entropy loss", std::slice::from_ref(&weights), 1e-6, |inputs| {
            regularizer.loss(inputs[0].clone()).unsqueeze::<4>()
        });
    }
}

#[test]
fn entropy_is_its_equation_and_zero_for_empty_rows() {
    let scores = Sample::random(PAIRS, 6).scaled(3.0);
    for device in devices() {
        let device = device.autodiff();
        let softmax = SoftmaxConfig::new().init(&device);
        for (name, mask) in masks() {
            let leaf = scores.f32(&device).require_grad();
            let weights = weigh(&softmax, leaf.clone(), None, &mask, &Past::start()).weights;
            let found = entropy(weights.clone());
            let rows = values(&weights);
            let expected: Vec<f64> = rows
                .chunks(PAIRS[3])
                .map(|row| row.iter().map(|&a| if a > 0.0 { -a * a.ln() } else { 0.0 }).sum())
                .collect();
            // Seven products below 1.
            assert_close(name, &values(&found), &expected, 1e-6);
            let visible = lowered(&mask, PAIRS);
            for (row, entropy) in visible.chunks(PAIRS[3]).zip(values(&found)) {
                if !row.contains(&true) {
                    assert_eq!(entropy.to_bits(), 0, "{name}: entropy of an empty row");
                }
            }
            let seeing = visible.chunks(PAIRS[3]).filter(|row| row.contains(&true)).count();
            let loss = EntropyRegularizer::new(EntropyGoal::Spread, 0.5).loss(weights);
            let mean = expected.iter().sum::<f64>() / seeing.max(1) as f64;
            assert_close(name, &values(&loss), &[-0.5 * mean], 1e-6);
            let gradient = leaf.grad(&loss.backward()).map_or(vec![0.0], |grad| values(&grad));
            assert!(gradient.iter().all(|x| x.is_finite()), "{name}: gradient {gradient:?}");
        }
    }
}

/// A weight of exactly 0, or of next to nothing, has an entropy and a gradient.
#[test]
fn entropy_has_a_gradient_at_zero() {
    for device in devices() {
        let device = device.autodiff();
        let rows = [[1.0_f32, 0.0, 0.0, 1e-45, 1e-38]];
        let leaf = Tensor::<2>::from_data(rows, &device).unsqueeze::<4>().require_grad();
        let found = entropy(leaf.clone());
        // -1e-38 ln 1e-38
        assert_close("entropy", &values(&found), &[0.0], 1e-30);
        let gradient = values(&leaf.grad(&found.sum().backward()).unwrap());
        assert_eq!(gradient[1..3], [0.0; 2]);
        assert!(gradient.iter().all(|x| x.is_finite()), "{gradient:?}");
    }
}

/// What each goal teaches, by one step along its gradient.
#[test]
fn a_goal_is_approached() {
    let scores = Sample::random([1, 2, 3, 5], 7);
    let device = Device::flex().autodiff();
    let softmax = SoftmaxConfig::new().init(&device);
    let align = |scores| weigh(&softmax, scores, None, &Mask::open(), &Past::start()).weights;
    for (goal, sign) in [(EntropyGoal::Spread, 1.0), (EntropyGoal::Focus, -1.0)] {
        let leaf = scores.f32(&device).require_grad();
        let loss = EntropyRegularizer::new(goal, 1.0).loss(align(leaf.clone()));
        let step = leaf.grad(&loss.backward()).unwrap();
        let moved = Tensor::from_inner(leaf.clone().inner() - step);
        let mean = |scores| values(&entropy(align(scores)).mean())[0];
        assert!((mean(moved) - mean(leaf)) * sign > 0.0, "{goal:?}");
    }
}

/// In half precision the least number with an inverse would be 0, and its logarithm no number.
#[test]
fn half_precision_is_computed_in_full() {
    let device = Device::flex().autodiff();
    for half in [FloatDType::F16, FloatDType::BF16] {
        let rows = Tensor::<4>::from_data([[[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]]], &device);
        let rows = rows.cast(half).require_grad();
        let found = entropy(rows.clone());
        assert_eq!(found.dtype(), DType::from(half));
        // ln 2, good to the eight bits of bf16.
        let full = values(&found.cast(FloatDType::F32));
        assert_close("entropy", &full, &[std::f64::consts::LN_2, 0.0], 1.0 / 256.0);
        let loss = EntropyRegularizer::new(EntropyGoal::Focus, 2.0).loss(rows.clone());
        let full = values(&loss.clone().cast(FloatDType::F32));
        assert_close("loss", &full, &[2.0 * std::f64::consts::LN_2], 1.0 / 256.0);
        let gradients = loss.backward();
        let gradient = values(&rows.grad(&gradients).unwrap().cast(FloatDType::F32));
        let slope = -2.0 * (1.0 - std::f64::consts::LN_2);
        let expected = [slope, slope, 0.0, 0.0, 0.0, 0.0];
        assert_close("d weights", &gradient, &expected, 1.0 / 256.0);
    }
}

#[test]
fn factors_that_f32_does_not_hold_are_refused() {
    for factor in [-1.0, 1e300, f64::INFINITY, f64::NAN] {
        let regularizer = EntropyRegularizer::new(EntropyGoal::Focus, factor);
        assert!(regularizer.validate().is_err(), "{factor}");
    }
}
