//! Coverage, its loss and penalties, and the entropy of attention.

use super::support::{
    PAIRS, Sample, assert_close, check_gradients, devices, lowered, masks, values,
};
use attn_core::Mask;
use attn_core::alignment::{Past, SoftmaxConfig, weigh};
use attn_core::coverage::{CoveragePenalty, coverage, coverage_loss};
use attn_core::regularise::{EntropyGoal, EntropyRegulariser, entropy};
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Rows that sum to 1, in f64.
fn distributions(dims: [usize; 4], seed: u64) -> Sample {
    let scores = Sample::random(dims, seed).scaled(3.0);
    let rows = scores.map_rows(|row| {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / sum).collect()
    });
    rows.scaled(1.0)
}

/// `c_t` of every query, plainly.
fn covered(weights: &Sample) -> Vec<f64> {
    let [batch, heads, queries, keys] = weights.dims;
    let mut found = Vec::new();
    for (b, h) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
        for i in 0..queries {
            let before =
                |j: usize| (0..i).map(|earlier| weights.row(b, h, earlier)[j]).sum::<f64>();
            found.extend((0..keys).map(before));
        }
    }
    found
}

#[test]
fn coverage_and_its_loss_are_their_equations() {
    let weights = distributions(PAIRS, 1);
    let expected = covered(&weights);
    let losses: Vec<f64> = (0..expected.len() / PAIRS[3])
        .map(|row| {
            (row * PAIRS[3]..(row + 1) * PAIRS[3]).map(|n| weights.data[n].min(expected[n])).sum()
        })
        .collect();
    for device in devices() {
        let found = coverage(weights.f32(&device), &Past::start());
        assert_eq!(found.dims(), PAIRS);
        // Six sums of numbers below 1.
        assert_close("coverage", &values(&found), &expected, 1e-6);
        let found = coverage_loss(weights.f32(&device), &Past::start());
        assert_eq!(found.dims()[..], PAIRS[..3]);
        assert_close("coverage loss", &values(&found), &losses, 1e-6);
    }
}

#[test]
fn the_first_step_repeats_nothing() {
    for device in devices() {
        let weights = distributions([2, 3, 1, 5], 2).f32(&device);
        assert_eq!(values(&coverage_loss(weights, &Past::start())), [0.0; 6]);
    }
}

/// A decoder that keeps a [`Past`] finds in chunks what training finds at once.
#[test]
fn in_chunks_it_is_the_same() {
    let scores = Sample::random(PAIRS, 3).scaled(2.0);
    for device in devices() {
        let softmax = SoftmaxConfig::new().init(&device);
        let align = |scores, past: &Past| weigh(&softmax, scores, None, &Mask::open(), past);
        let whole = align(scores.f32(&device), &Past::start()).weights;
        let whole = values(&coverage_loss(whole, &Past::start()));
        let mut past = Past::start();
        let parts = [0..1, 1..4, 4..6].map(|steps| {
            let aligned = align(scores.f32(&device).slice_dim(2, steps), &past);
            let loss = coverage_loss(aligned.weights.clone(), &past);
            past.advance(&aligned);
            loss
        });
        // The sums of coverage in another order.
        assert_close("chunks", &values(&Tensor::cat(parts.to_vec(), 2)), &whole, 1e-6);
    }
}

#[test]
fn losses_have_their_gradients() {
    // Where a weight is near its coverage, the minimum bends: these are not.
    let random = Sample::random([1, 2, 4, 5], 4);
    let weights = Sample::from_fn(random.dims, |n| 0.55 + 0.5 * random.data[n]);
    let coverages = covered(&weights);
    assert!(weights.data.iter().zip(&coverages).all(|(a, c)| (a - c).abs() > 1e-4));
    check_gradients("coverage loss", std::slice::from_ref(&weights), 1e-7, |inputs| {
        coverage_loss(inputs[0].clone(), &Past::start()).unsqueeze_dim(3)
    });
    // Differences of x ln x are off by step² = 1e-10 over x², with weights above 0.05.
    check_gradients("entropy", std::slice::from_ref(&weights), 1e-6, |inputs| {
        entropy(inputs[0].clone()).unsqueeze_dim(3)
    });
    for goal in [EntropyGoal::Spread, EntropyGoal::Focus] {
        let regulariser = EntropyRegulariser::new(goal, 0.3);
        check_gradients("entropy loss", std::slice::from_ref(&weights), 1e-6, |inputs| {
            regulariser.loss(inputs[0].clone()).unsqueeze::<4>()
        });
    }
    // Away from 1, where both bend.
    let covered = Sample::from_fn([1, 2, 3, 5], |n| 0.15 + 0.31 * (n % 7) as f64);
    for penalty in [CoveragePenalty::Gnmt { beta: 0.2 }, CoveragePenalty::Summary { beta: 5.0 }] {
        check_gradients("penalty", std::slice::from_ref(&covered), 1e-6, |inputs| {
            let covered = inputs[0].clone().reshape([2, 3, 5]);
            penalty.penalty(covered, &Mask::padding([5, 3])).unsqueeze::<4>()
        });
    }
}

#[test]
fn penalties_are_their_equations() {
    let covered = Sample::from_fn([2, 1, 3, 7], |n| 0.07 * (n % 29) as f64 + 0.01);
    let lengths = [7, 4];
    let rows = |term: &dyn Fn(f64) -> f64| -> Vec<f64> {
        (0..2)
            .flat_map(|b| (0..3).map(move |h| (b, h)))
            .map(|(b, h)| covered.row(b, 0, h)[..lengths[b]].iter().map(|&c| term(c)).sum())
            .collect()
    };
    let gnmt = rows(&|c| 0.2 * c.min(1.0).ln());
    // With its number of keys n, as printed: -β (-n + Σ max(c, 1)).
    let summary = rows(&|c| -5.0 * (c.max(1.0) - 1.0));
    for device in devices() {
        let ask = |penalty: CoveragePenalty| {
            let covered: Tensor<3> = covered.f32(&device).reshape([2, 3, 7]);
            values(&penalty.penalty(covered, &Mask::padding(lengths)))
        };
        // Seven logarithms below 5, good to a few roundings.
        assert_close("gnmt", &ask(CoveragePenalty::Gnmt { beta: 0.2 }), &gnmt, 1e-5);
        assert_close("summary", &ask(CoveragePenalty::Summary { beta: 5.0 }), &summary, 1e-5);
    }
}

/// What was left out ranks low, but still ranks; padding does not count.
#[test]
fn a_key_that_got_nothing_does_not_end_the_ranking() {
    for device in devices() {
        let rows = [[1.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 0.0, 0.0]];
        let covered = Tensor::<2>::from_data(rows, &device).unsqueeze_dim::<3>(1);
        let penalty = CoveragePenalty::Gnmt { beta: 1.0 };
        let found = values(&penalty.penalty(covered, &Mask::padding([3, 3, 1])));
        assert!(found[0].is_finite() && found[0] < found[1] && found[1] < found[2]);
        assert_eq!(found[2], 0.0);
    }
}

/// A beam that is reordered, or that looked in another order, has the same penalties.
#[test]
fn penalties_do_not_depend_on_the_order_of_beams_or_steps() {
    let weights = distributions([3, 2, 4, 5], 5);
    let mask = Mask::padding([5, 5, 5]);
    for device in devices() {
        let weights = weights.f32(&device);
        for penalty in [CoveragePenalty::Gnmt { beta: 0.2 }, CoveragePenalty::Summary { beta: 5.0 }]
        {
            let of = |weights: Tensor<4>| penalty.penalty(weights.sum_dim(2).squeeze_dim(2), &mask);
            let plain = of(weights.clone());
            let rows = Tensor::from_data([2, 0, 1], &device);
            let reordered = of(weights.clone().select(0, rows.clone()));
            assert_eq!(values(&reordered), values(&plain.clone().select(0, rows)));
            let steps = Tensor::from_data([3, 1, 0, 2], &device);
            let other = of(weights.clone().select(2, steps));
            // Four sums in another order, over at least 0.01, times 5.
            assert_close("steps", &values(&other), &values(&plain), 1e-4);
        }
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
            let loss = EntropyRegulariser::new(EntropyGoal::Spread, 0.5).loss(weights);
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
        let loss = EntropyRegulariser::new(goal, 1.0).loss(align(leaf.clone()));
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
        let loss = EntropyRegulariser::new(EntropyGoal::Focus, 2.0).loss(rows.clone());
        let full = values(&loss.clone().cast(FloatDType::F32));
        assert_close("loss", &full, &[2.0 * std::f64::consts::LN_2], 1.0 / 256.0);
        let gradients = loss.backward();
        let gradient = values(&rows.grad(&gradients).unwrap().cast(FloatDType::F32));
        let slope = -2.0 * (1.0 - std::f64::consts::LN_2);
        let expected = [slope, slope, 0.0, 0.0, 0.0, 0.0];
        assert_close("d weights", &gradient, &expected, 1.0 / 256.0);

        let covered = Tensor::<3>::from_data([[[0.5, 2.0, 0.0]]], &device).cast(half);
        let gnmt = CoveragePenalty::Gnmt { beta: 0.5 }.penalty(covered.clone(), &Mask::open());
        let expected = 0.5 * (0.5_f64.ln() + f64::from(f32::MIN_POSITIVE).ln());
        assert_close("gnmt", &values(&gnmt.cast(FloatDType::F32)), &[expected], 1.0 / 256.0);
        let summary = CoveragePenalty::Summary { beta: 0.5 }.penalty(covered, &Mask::open());
        assert_close("summary", &values(&summary.cast(FloatDType::F32)), &[-0.5], 1.0 / 256.0);
    }
}

/// Times an infinity, no penalty at all would be no number.
#[test]
fn factors_that_f32_does_not_hold_are_refused() {
    for factor in [-1.0, 1e300, f64::INFINITY, f64::NAN] {
        assert!(CoveragePenalty::Gnmt { beta: factor }.validate().is_err(), "{factor}");
        assert!(CoveragePenalty::Summary { beta: factor }.validate().is_err(), "{factor}");
        let regulariser = EntropyRegulariser::new(EntropyGoal::Focus, factor);
        assert!(regulariser.validate().is_err(), "{factor}");
    }
}
