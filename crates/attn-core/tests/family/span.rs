//! Adaptive attention span.

use super::support::{
    PAIRS, Sample, assert_close, check_large_scores, check_law_of_alignment,
    check_module_gradients, devices, lowered, masks, values,
};
use attn_core::alignment::{
    AdaptiveSpan, AdaptiveSpanConfig, AlignmentConfig, Past, SoftmaxConfig, weigh,
};
use attn_core::{AttentionShape, Mask};
use burn::module::Param;
use burn::tensor::{Device, Tensor};

/// Spans that differ, none of them a whole number, so that no key is at an edge of the ramp.
const SPANS: [f64; 4] = [0.0625, 1.3, 2.6, 4.7];
const LONGEST: usize = 8;

/// Spans of so many keys, with a ramp of 2.
fn spans(spans: [f64; 4], device: &Device) -> AdaptiveSpan {
    let config = AdaptiveSpanConfig::new(4, LONGEST).with_ramp(2);
    let shares = spans.map(|z| (z / LONGEST as f64) as f32);
    let shares = Param::from_tensor(Tensor::from_floats(shares, device));
    let mut alignment = config.init(device);
    alignment.shares = shares;
    alignment
}

/// `m_z(x)` with the ramp `r`.
fn soft_mask(z: f64, r: f64, x: f64) -> f64 {
    ((r + z - x) / r).clamp(0.0, 1.0)
}

/// `m exp(s) / Σ m exp(s)` of every row.
fn reference(scores: &Sample, visible: &[bool], spans: [f64; 4], ramp: f64) -> Vec<f64> {
    let [_, heads, queries, keys] = PAIRS;
    let mut expected = Vec::new();
    for (row, (scores, visible)) in scores.data.chunks(keys).zip(visible.chunks(keys)).enumerate() {
        let z = spans[row / queries % heads];
        let p = (row % queries + keys) as f64 - queries as f64;
        let exp = |j: usize| match visible[j] {
            true => soft_mask(z, ramp, p - j as f64) * scores[j].exp(),
            false => 0.0,
        };
        let sum: f64 = (0..keys).map(exp).sum();
        expected.extend((0..keys).map(|j| if sum > 0.0 { exp(j) / sum } else { 0.0 }));
    }
    expected
}

#[test]
fn it_is_its_equation() {
    let scores = Sample::random(PAIRS, 1).scaled(4.0);
    for (name, mask) in masks() {
        let expected = reference(&scores, &lowered(&mask, PAIRS), SPANS, 2.0);
        for device in devices() {
            let alignment = spans(SPANS, &device);
            let found = weigh(&alignment, scores.f32(&device), None, &mask, &Past::start());
            // A span is good to a rounding of the longest, 8 · 2⁻²⁴, and a ramp of 2 halves that.
            assert_close(&format!("span, {name}"), &values(&found.weights), &expected, 2e-6);
        }
    }
}

#[test]
fn a_span_far_longer_than_the_sequence_is_softmax() {
    for device in devices() {
        let scores = Sample::random(PAIRS, 2).f32(&device);
        for mask in [Mask::open(), Mask::causal()] {
            let weights = |alignment: AlignmentConfig| {
                let alignment = alignment.init(&device);
                values(&weigh(&alignment, scores.clone(), None, &mask, &Past::start()).weights)
            };
            let far = AdaptiveSpanConfig::new(4, 5000).with_initial(4000.0);
            let far = weights(AlignmentConfig::AdaptiveSpan(far));
            assert_eq!(far, weights(AlignmentConfig::Softmax(SoftmaxConfig::new())));
        }
    }
}

#[test]
fn it_keeps_the_law() {
    check_law_of_alignment("span", |device| spans(SPANS, device));
}

#[test]
fn it_has_its_gradients() {
    for mask in [Mask::causal(), Mask::open()] {
        check_module_gradients(
            "span",
            |device| spans(SPANS, device),
            &[Sample::random(PAIRS, 3)],
            // Central differences with h = 1e-5: h² · f''' / 6 with third derivatives in the
            // shares up to (8 / 2)³, and no kink within 8 h.
            1e-7,
            |span, inputs| weigh(span, inputs[0].clone(), None, &mask, &Past::start()).weights,
        );
    }
}

#[test]
fn large_scores_have_finite_gradients() {
    check_large_scores("span", |device| spans(SPANS, device));
}

#[test]
fn a_score_outside_of_the_span_does_not_drown_those_inside() {
    for device in devices() {
        let mut scores = Sample::random(PAIRS, 4);
        scores.data.iter_mut().step_by(PAIRS[3]).for_each(|first| *first = 1e4);
        let short = spans([0.5; 4], &device);
        let found = weigh(&short, scores.f32(&device), None, &Mask::causal(), &Past::start());
        let mut visible = lowered(&Mask::causal(), PAIRS);
        // Position 1 is the first; from position 3 on, key 0 is out of reach.
        for (row, visible) in visible.chunks_mut(PAIRS[3]).enumerate() {
            visible[0] &= row % PAIRS[2] < 2;
        }
        let rows: Vec<_> =
            (0..values(&found.weights).len()).filter(|n| n / PAIRS[3] % PAIRS[2] >= 2).collect();
        scores.data.iter_mut().step_by(PAIRS[3]).for_each(|first| *first = 0.0);
        let expected = reference(&scores, &visible, [0.5; 4], 2.0);
        let pick = |all: &[f64]| rows.iter().map(|&n| all[n]).collect::<Vec<_>>();
        assert_close("span", &pick(&values(&found.weights)), &pick(&expected), 2e-6);
    }
}

#[test]
fn the_mask_is_what_the_largest_span_reaches() {
    let shape = AttentionShape { batch: 1, heads: 4, queries: 12, keys: 12 };
    for device in devices() {
        // Up to the key before z + R, which has no weight where that is a whole number.
        for (z, reach) in [(0.0, 1), (1.3, 3), (4.7, 6), (5.0, 6), (8.0, 9)] {
            let alignment = spans([0.0, z, z / 2.0, 0.0], &device);
            let mask = alignment.mask();
            assert_eq!(mask, Mask::window(Some(reach), None));
            let scores = Tensor::ones([1, 4, 12, 12], &device);
            let open = weigh(&alignment, scores.clone(), None, &Mask::open(), &Past::start());
            let windowed = weigh(&alignment, scores, None, &mask, &Past::start()).weights;
            assert_eq!(values(&open.weights), values(&windowed));
            // No narrower one would do.
            let last = values(&open.weights.slice_dim(1, 1..2).slice_dim(2, 11..12));
            let seen = (0..12).find(|&j| mask.is_visible(&shape, 0, 1, 11, j));
            assert!(last[seen.unwrap()] > 0.0);
        }
    }
}

#[test]
fn the_penalty_is_the_mean_span() {
    for device in devices() {
        let device = device.autodiff();
        let alignment = spans(SPANS, &device);
        let penalty = alignment.penalty(0.5);
        assert_close("penalty", &values(&penalty), &[0.5 * SPANS.iter().sum::<f64>() / 4.0], 1e-6);
        let gradient = alignment.shares.grad(&penalty.backward()).unwrap();
        assert_close("d shares", &values(&gradient), &[0.5 * LONGEST as f64 / 4.0; 4], 1e-6);
    }
}

#[test]
fn spans_stay_in_their_range_and_find_back_into_it() {
    for device in devices() {
        let device = device.autodiff();
        let beyond = spans([-0.8, -16.0, 9.6, 24.0], &device);
        assert_eq!(values(&beyond.spans()), [0.0, 0.0, 8.0, 8.0]);
        let within = spans([0.0, 0.0, 8.0, 8.0], &device);
        let scores = Sample::random([1, 4, 12, 13], 5).f32(&device);
        let weights = |alignment| {
            weigh(alignment, scores.clone(), None, &Mask::causal(), &Past::start()).weights
        };
        let found = weights(&beyond);
        assert_eq!(values(&found), values(&weights(&within)));
        let upstream = Sample::random(found.dims(), 6).f32(&device);
        let gradient = beyond.shares.grad(&(found * upstream).sum().backward()).unwrap();
        assert!(values(&gradient).iter().all(|&x| x != 0.0 && x.is_finite()));
        // The penalty does not push them further.
        let gradient = beyond.shares.grad(&beyond.penalty(1.0).backward()).unwrap();
        assert_eq!(values(&gradient), [0.0; 4]);
    }
}

#[test]
fn it_is_chosen_by_name() {
    let text = r#"{"name":"adaptive_span","heads":4,"max_span":8}"#;
    let config = AlignmentConfig::AdaptiveSpan(AdaptiveSpanConfig::new(4, 8));
    assert_eq!(serde_json::from_str::<AlignmentConfig>(text).unwrap(), config);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<AlignmentConfig>(&text).unwrap(), config);
}
