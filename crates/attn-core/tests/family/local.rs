//! Local attention, monotonic and predictive.

use super::support::{
    PAIRS, Sample, assert_close, check_large_scores, check_law_of_alignment,
    check_module_gradients, check_steps, devices, lowered, masks, values, weights_of, with_weights,
};
use attn_core::Mask;
use attn_core::alignment::{
    AlignmentConfig, LocalMonotonicConfig, LocalPredictive, LocalPredictiveConfig, Past,
    SoftmaxConfig, weigh,
};
use burn::tensor::{Device, Tensor};

const QUERY: [usize; 4] = [PAIRS[0], PAIRS[1], PAIRS[2], 5];

/// Softmax over the keys that are `seen`; 0 elsewhere.
fn softmax(scores: &[f64], seen: &[bool]) -> Vec<f64> {
    let exp = scores.iter().zip(seen).map(|(s, &seen)| if seen { s.exp() } else { 0.0 });
    let sum: f64 = exp.clone().sum();
    exp.map(|exp| if sum > 0.0 { exp / sum } else { 0.0 }).collect()
}

/// Always the same one, so that no key is ever by chance at the edge of a window.
fn predictive(d: usize, device: &Device) -> LocalPredictive {
    with_weights(LocalPredictiveConfig::new(d, 5, 3).init(device), 0x5EED)
}

/// A past of so many queries.
fn after(steps: usize) -> Past {
    Past { steps, ..Past::start() }
}

#[test]
fn local_m_is_its_equation() {
    let scores = Sample::random(PAIRS, 1).scaled(4.0);
    let [_, _, queries, keys] = PAIRS;
    for (d, steps) in [(1, 0), (2, 3), (3, 8)] {
        for (name, mask) in masks() {
            let visible = lowered(&mask, PAIRS);
            let mut expected = Vec::new();
            for (row, (scores, visible)) in
                scores.data.chunks(keys).zip(visible.chunks(keys)).enumerate()
            {
                let centre = row % queries + steps;
                let seen: Vec<_> =
                    (0..keys).map(|s| visible[s] && s + d >= centre && s <= centre + d).collect();
                expected.extend(softmax(scores, &seen));
            }
            for device in devices() {
                let local = LocalMonotonicConfig::new(d).init(&device);
                let found = weigh(&local, scores.f32(&device), None, &mask, &after(steps));
                // An exponential and a sum of a few, each good to a few roundings.
                assert_close(&format!("local_m, {name}"), &values(&found.weights), &expected, 1e-6);
            }
        }
    }
}

#[test]
fn local_m_with_a_window_as_wide_as_the_sequence_is_softmax() {
    for device in devices() {
        let scores = Sample::random(PAIRS, 2).f32(&device);
        let mask = Mask::causal();
        let softmax = SoftmaxConfig::new().init(&device);
        let softmax = weigh(&softmax, scores.clone(), None, &mask, &Past::start()).weights;
        for d in [6, usize::MAX] {
            let local = LocalMonotonicConfig::new(d).init(&device);
            let local = weigh(&local, scores.clone(), None, &mask, &Past::start()).weights;
            assert_eq!(values(&local), values(&softmax));
        }
    }
}

#[test]
fn a_window_behind_the_last_key_leaves_its_query_nothing() {
    for device in devices() {
        let scores = Sample::random(PAIRS, 3).f32(&device);
        let local = LocalMonotonicConfig::new(2).init(&device);
        let found = weigh(&local, scores, None, &Mask::open(), &after(9)).weights;
        assert!(values(&found).iter().all(|&weight| weight == 0.0));
    }
}

#[test]
fn local_m_keeps_the_law() {
    check_law_of_alignment("local_m", |device| LocalMonotonicConfig::new(2).init(device));
}

#[test]
fn local_m_has_its_gradient() {
    // Central differences of a smooth function: h² · f''' / 6 < 1e-9, and 1e-16 / h for rounding.
    check_module_gradients(
        "local_m",
        |device| LocalMonotonicConfig::new(2).init(device),
        &[Sample::random(PAIRS, 4)],
        1e-7,
        |local, inputs| weigh(local, inputs[0].clone(), None, &Mask::causal(), &after(1)).weights,
    );
}

#[test]
fn local_m_is_the_same_step_by_step() {
    let config = AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(2));
    for autodiff in [true, false] {
        check_steps("local_m", &config, autodiff);
    }
}

/// The number of keys that each query sees, times what the weights `W_p` and `v_p`, row-major, make
/// of the query.
fn centre(query: &[f64], weights: &[f64], d_hidden: usize, length: usize) -> f64 {
    let (hidden, out) = weights.split_at(query.len() * d_hidden);
    let logit: f64 = (0..d_hidden)
        .map(|n| {
            let sum: f64 =
                query.iter().enumerate().map(|(m, x)| x * hidden[m * d_hidden + n]).sum();
            out[n] * sum.tanh()
        })
        .sum();
    length as f64 / (1.0 + (-logit).exp())
}

#[test]
fn local_p_is_its_equation() {
    let d = 2;
    let scores = Sample::random(PAIRS, 5).scaled(4.0);
    let query = Sample::random(QUERY, 6).scaled(6.0);
    let keys = PAIRS[3];
    for device in devices() {
        let local = predictive(d, &device);
        let weights = weights_of(&local, None);
        for (name, mask) in masks() {
            let visible = lowered(&mask, PAIRS);
            let mut expected = Vec::new();
            for ((scores, visible), query) in
                scores.data.chunks(keys).zip(visible.chunks(keys)).zip(query.data.chunks(5))
            {
                let length = visible.iter().filter(|&&visible| visible).count();
                let p = centre(query, &weights, 3, length);
                let place = |s: usize| visible[..s].iter().filter(|&&v| v).count() as f64;
                let seen: Vec<_> =
                    (0..keys).map(|s| visible[s] && (place(s) - p).abs() <= d as f64).collect();
                let sigma = d as f64 / 2.0;
                let gaussian = |s| (-(place(s) - p).powi(2) / (2.0 * sigma * sigma)).exp();
                let softmax = softmax(scores, &seen);
                expected.extend(softmax.iter().enumerate().map(|(s, w)| w * gaussian(s)));
                // The window of a query that sees a key holds one.
                assert_eq!(seen.contains(&true), length > 0);
            }
            let found =
                weigh(&local, scores.f32(&device), Some(&query.f32(&device)), &mask, &after(4));
            // The centre is good to 7 · 2⁻²⁴ · the digits of a sum of 5 products up to 6.
            assert_close(&format!("local_p, {name}"), &values(&found.weights), &expected, 1e-5);
        }
    }
}

#[test]
fn centres_are_shares_of_the_lengths() {
    let query = Sample::random(QUERY, 7).scaled(6.0);
    for device in devices() {
        let local = predictive(2, &device);
        let weights = weights_of(&local, None);
        let lengths = Tensor::<1>::from_floats([7.0, 4.0], &device).reshape([2, 1, 1, 1]);
        let found = local.centres(query.f32(&device), lengths);
        assert_eq!(found.dims(), [2, 4, 6, 1]);
        let rows = query.data.chunks(5).enumerate();
        let expected: Vec<_> = rows
            .map(|(row, query)| centre(query, &weights, 3, if row < 24 { 7 } else { 4 }))
            .collect();
        assert_close("centres", &values(&found), &expected, 1e-5);
    }
}

#[test]
fn padding_on_the_left_is_padding_on_the_right() {
    for device in devices() {
        let local = predictive(2, &device);
        let query = Sample::random(QUERY, 8).scaled(6.0).f32(&device);
        let scores = Sample::random(PAIRS, 9).f32(&device);
        let moved = Tensor::cat(
            vec![scores.clone().slice_dim(3, 5..7), scores.clone().slice_dim(3, 0..5)],
            3,
        );
        let weights =
            |scores, mask| weigh(&local, scores, Some(&query), &mask, &Past::start()).weights;
        let right = weights(scores, Mask::padding([5])).slice_dim(3, 0..5);
        let left = weights(moved, Mask::left_padding([2])).slice_dim(3, 2..7);
        assert_eq!(values(&left), values(&right));
    }
}

#[test]
fn local_p_keeps_the_law() {
    check_law_of_alignment("local_p", |device| predictive(2, device));
}

#[test]
fn a_query_that_is_not_finite_concerns_only_itself() {
    for device in devices() {
        let device = device.autodiff();
        let local = predictive(2, &device);
        let scores = Sample::random(PAIRS, 12).f32(&device);
        let mut query = Sample::random(QUERY, 13);
        // The first row of each batch, of which the second batch sees nothing.
        for row in [0, PAIRS[1] * PAIRS[2]] {
            query.data[row * 5 + 1] = f64::NAN;
        }
        let query = query.f32(&device);
        let mask = Mask::padding([5, 0]);
        let found = weigh(&local, scores, Some(&query), &mask, &Past::start()).weights;
        let weights = values(&found);
        assert!(weights[..5].iter().all(|x| x.is_nan()));
        assert!(weights[5..].iter().all(|x| x.is_finite()));
        let gradients = found.slice_dim(2, 1..6).sum().backward();
        assert!(weights_of(&local, Some(&gradients)).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn local_p_has_its_gradients() {
    for mask in [Mask::open(), Mask::causal(), Mask::padding([5, 3])] {
        check_module_gradients(
            "local_p",
            |device| predictive(2, device),
            &[Sample::random(PAIRS, 10), Sample::random(QUERY, 11)],
            // As for local_m; no key is within 1e-5 of the edge of a window.
            1e-7,
            |local, inputs| {
                let query = Some(&inputs[1]);
                weigh(local, inputs[0].clone(), query, &mask, &Past::start()).weights
            },
        );
    }
}

#[test]
fn local_p_is_the_same_step_by_step() {
    let config = AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, 8, 3));
    for autodiff in [true, false] {
        check_steps("local_p", &config, autodiff);
    }
}

#[test]
fn large_scores_have_finite_gradients() {
    check_large_scores("local_m", |device| LocalMonotonicConfig::new(2).init(device));
    check_large_scores("local_p", |device| predictive(2, device));
}

#[test]
fn they_are_chosen_by_name() {
    for (text, expected) in [
        (
            r#"{"name":"local_m","d":3}"#,
            AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(3)),
        ),
        (
            r#"{"name":"local_p","d":3,"d_query":5,"d_hidden":4}"#,
            AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(3, 5, 4)),
        ),
    ] {
        assert_eq!(serde_json::from_str::<AlignmentConfig>(text).unwrap(), expected);
        assert_eq!(serde_json::to_string(&expected).unwrap(), text);
    }
}
