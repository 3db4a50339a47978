//! Alignments whose weights are drawn: hard attention, its learning rule, Gumbel-softmax.

use super::support::{
    PAIRS, Sample, assert_close, check_gradients, check_law_of_alignment,
    check_law_of_alignment_without_gradient, devices, masks, precise_devices, values,
};
use attn_core::Mask;
use attn_core::alignment::{
    Aligned, Alignment, AlignmentConfig, AlignmentError, Draw, GumbelSoftmaxConfig, HardConfig,
    Past, Reinforce, weigh,
};
use attn_core::mechanism::AttentionConfig;
use attn_core::random;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

fn softmax(scores: &[f64]) -> Vec<f64> {
    let sum: f64 = scores.iter().map(|s| s.exp()).sum();
    scores.iter().map(|s| s.exp() / sum).collect()
}

/// Draws with this seed, under a mask.
fn align(alignment: &dyn Alignment, scores: Tensor<4>, mask: &Mask, seed: u64) -> Aligned {
    random::seed(seed);
    weigh(alignment, scores, None, mask, &Past::start())
}

fn hard() -> AlignmentConfig {
    AlignmentConfig::Hard(HardConfig::new())
}

fn gumbel(temperature: f64) -> AlignmentConfig {
    let config = GumbelSoftmaxConfig::new().with_temperature(temperature);
    AlignmentConfig::GumbelSoftmax(config)
}

fn both() -> [AlignmentConfig; 2] {
    [hard(), gumbel(0.7)]
}

/// The same row of scores, many times over.
const ROW: [f64; 5] = [0.5, -1.0, 1.25, 0.0, -0.25];
const DRAWS: [usize; 4] = [40, 10, 50, 5];

fn repeated() -> Sample {
    Sample::from_fn(DRAWS, |n| ROW[n % ROW.len()])
}

#[test]
fn weights_are_of_one_visible_key() {
    let scores = Sample::random(PAIRS, 41).scaled(2.0);
    for config in both() {
        for device in devices() {
            let device = device.autodiff();
            let alignment = config.init(&device);
            for (name, mask) in masks() {
                let leaf = scores.f32(&device).require_grad();
                let found = values(&align(&alignment, leaf, &mask, 1).weights);
                let visible = super::support::lowered(&mask, PAIRS);
                for (row, visible) in found.chunks(PAIRS[3]).zip(visible.chunks(PAIRS[3])) {
                    let ones = row.iter().filter(|&&w| w == 1.0).count();
                    let zeros = row.iter().filter(|&&w| w == 0.0).count();
                    let sees = usize::from(visible.contains(&true));
                    assert_eq!([ones, zeros], [sees, PAIRS[3] - sees], "{config:?} under {name}");
                }
            }
        }
    }
}

#[test]
fn keys_are_drawn_as_often_as_they_are_probable() {
    let count = (DRAWS[0] * DRAWS[1] * DRAWS[2]) as f64;
    for config in both() {
        for device in devices() {
            let device = device.autodiff();
            let alignment = config.init(&device);
            let leaf = repeated().f32(&device).require_grad();
            let found = align(&alignment, leaf, &Mask::open(), 2).weights;
            let drawn = values(&found.sum_dim(0).sum_dim(1).sum_dim(2));
            for (drawn, p) in drawn.iter().zip(softmax(&ROW)) {
                // Four standard errors are exceeded once in 16 000 draws; the seed is fixed.
                let error = (p * (1.0 - p) / count).sqrt();
                let share = drawn / count;
                assert!((share - p).abs() < 4.0 * error, "{config:?}: {share}, not {p} ± {error}");
            }
        }
    }
}

/// Along each axis: what is drawn does not tell what is drawn next to it.
#[test]
fn neighbours_draw_for_themselves() {
    let device = Device::flex().autodiff();
    let p_same: f64 = softmax(&ROW).iter().map(|p| p * p).sum();
    for config in both() {
        let alignment = config.init(&device);
        let of = |seed| {
            let leaf = repeated().f32(&device).require_grad();
            align(&alignment, leaf, &Mask::open(), seed).weights.detach()
        };
        let drawn = of(3);
        let shifted = (0..3).map(|axis| {
            let size = DRAWS[axis];
            let pair = (drawn.clone().slice_dim(axis, 1..size), drawn.clone());
            (pair.0, pair.1.slice_dim(axis, 0..size - 1))
        });
        for (one, other) in shifted.chain([(drawn.clone(), of(4))]) {
            let count: usize = one.dims()[..3].iter().product();
            let same = values(&(one * other).sum())[0] / count as f64;
            let error = (p_same * (1.0 - p_same) / count as f64).sqrt();
            assert!((same - p_same).abs() < 4.0 * error, "{config:?}: {same}, not {p_same}");
        }
    }
}

#[test]
fn backends_and_precisions_draw_the_same() {
    let scores = Sample::random(PAIRS, 42).scaled(2.0);
    for config in both() {
        let answers: Vec<_> = devices()
            .into_iter()
            .map(|device| (device, DType::F32))
            .chain(precise_devices().map(|device| (device, DType::F64)))
            .map(|(device, dtype)| {
                let device = device.autodiff();
                let leaf = scores.tensor(&device, dtype).require_grad();
                values(&align(&config.init(&device), leaf, &Mask::causal(), 5).weights)
            })
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{config:?}");
    }
}

#[test]
fn without_autodiff_or_frozen_they_choose_the_most_probable_key() {
    let mut scores = Sample::random(PAIRS, 43).scaled(2.0);
    // Two best: the first is chosen.
    (scores.data[2], scores.data[5]) = (3.0, 3.0);
    let expected = scores.map_rows(|row| {
        let best = (0..row.len()).rev().max_by(|&i, &j| row[i].total_cmp(&row[j])).unwrap();
        (0..row.len()).map(|j| f64::from(u8::from(j == best))).collect()
    });
    for config in both() {
        for device in devices() {
            let plain = config.init(&device);
            let found = align(&plain, scores.f32(&device), &Mask::open(), 6);
            assert_eq!(values(&found.weights), expected.data, "{config:?}");
            assert!(found.draw.is_none(), "{config:?} without autodiff");

            let device = device.autodiff();
            let frozen = config.init(&device).freeze();
            let leaf = scores.f32(&device).require_grad();
            let found = align(&frozen, leaf.clone(), &Mask::open(), 6);
            assert_eq!(values(&found.weights), expected.data, "{config:?}, frozen");
            assert!(found.draw.is_none(), "{config:?}, frozen");
            let gradients = found.weights.sum().backward();
            assert!(values(&leaf.grad(&gradients).unwrap()).iter().all(|&g| g == 0.0));
        }
    }
}

#[test]
fn a_draw_knows_its_probability_and_the_entropy() {
    let scores = Sample::random(PAIRS, 44).scaled(2.0);
    for device in devices() {
        let device = device.autodiff();
        let leaf = scores.f32(&device).require_grad();
        let mask = Mask::causal() & Mask::padding([5, 0]);
        let found = align(&hard().init(&device), leaf, &mask, 7);
        let Draw { log_prob, entropy } = found.draw.unwrap();
        let (weights, visible) = (values(&found.weights), super::support::lowered(&mask, PAIRS));
        let (mut logs, mut entropies) = (Vec::new(), Vec::new());
        for n in 0..weights.len() / PAIRS[3] {
            let at = n * PAIRS[3]..(n + 1) * PAIRS[3];
            let seen: Vec<usize> = at.filter(|&n| visible[n]).collect();
            let p = softmax(&seen.iter().map(|&n| scores.data[n]).collect::<Vec<_>>());
            let chosen = seen.iter().zip(&p).find(|(n, _)| weights[**n] == 1.0);
            // A query that sees no key has drawn none.
            logs.push(chosen.map_or(0.0, |(_, p)| p.ln()));
            entropies.push(p.iter().map(|p| -p * p.ln()).sum());
        }
        // Logarithms of at most ln 7 + 4, and sums of seven terms below 1.
        assert_close("log p", &values(&log_prob), &logs, 2e-6);
        assert_close("entropy", &values(&entropy), &entropies, 2e-6);
    }
}

/// Moving a score by a difference's step could change what is drawn; these seeds do not.
#[test]
fn draws_have_their_gradients() {
    let scores = [Sample::random(PAIRS, 45).scaled(2.0)];
    let [b, h, q, _] = PAIRS;
    // A blind query among them: the third row of the batch's second sees no key.
    let mask = Mask::causal() & Mask::padding([5, 0]);
    // Logarithms and entropies of a softmax: derivatives of about 1, off by step² = 1e-10.
    check_gradients("draw", &scores, 1e-7, |inputs| {
        let device = inputs[0].device().autodiff();
        let draw = align(&hard().init(&device), inputs[0].clone(), &mask, 8).draw.unwrap();
        Tensor::cat(vec![draw.log_prob, draw.entropy], 2).reshape([b, h, 2, q])
    });
}

/// `E[r]` in the scores, with a reward `r_j` for key `j`: `p_j (r_j - Σ p r)`; and the entropy's
/// gradient, `-p_j (ln p_j + H)`.
#[test]
fn reinforce_is_the_gradient_of_the_expectation_in_the_mean() {
    let rewards = [1.0, -2.0, 0.5, 3.0, 0.0];
    let [batch, keys] = [20_000, 5];
    let (lambda_r, lambda_e) = (0.8, 0.3);
    let p = softmax(&ROW);
    let mean: f64 = p.iter().zip(rewards).map(|(p, r)| p * r).sum();
    let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
    for device in precise_devices() {
        let device = device.autodiff();
        for baseline in [0.0, 0.9] {
            let scores = Sample::from_fn([batch, 1, 1, keys], |n| ROW[n % keys]);
            let leaf = scores.f64(&device).require_grad();
            let Aligned { weights, draw, .. } =
                align(&hard().init(&device), leaf.clone(), &Mask::open(), 9);
            let worth = Sample::from_fn([1, 1, 1, keys], |j| rewards[j]).f64(&device);
            let reward = (weights.detach() * worth).sum_dim(3).reshape([batch]);
            let mut rule = Reinforce { baseline, ..Reinforce::new(lambda_r, lambda_e) };
            let loss = rule.loss(&[draw.unwrap()], reward.clone());
            let gradients = loss.backward();
            // Minimised, averaged over the batch: each row holds the negative of its share.
            let found = values(&leaf.grad(&gradients).unwrap());
            for j in 0..keys {
                let of_rows = found.iter().skip(j).step_by(keys).map(|g| -g * batch as f64);
                let count = batch as f64;
                let average = of_rows.clone().sum::<f64>() / count;
                let variance = of_rows.map(|g| (g - average).powi(2)).sum::<f64>() / count;
                let of_reward = p[j] * (rewards[j] - mean);
                let of_entropy = -p[j] * (p[j].ln() + entropy);
                let expected = lambda_r * of_reward + lambda_e * of_entropy;
                let error = (variance / count).sqrt();
                assert!(
                    (average - expected).abs() < 4.0 * error,
                    "key {j}: {average}, not {expected} ± {error}"
                );
                // The measurement decides: the error is far below what it measures.
                assert!(error < 0.02, "key {j}: ± {error}");
            }
            let seen = values(&reward).iter().sum::<f64>() / batch as f64;
            assert!((rule.baseline - (0.9 * baseline + 0.1 * seen)).abs() < 1e-6);
        }
    }
}

/// One row by hand: two draws, of 2 heads and 1 query, and of 1 head and 3 queries.
#[test]
fn a_reward_is_shared_by_all_draws_of_its_row() {
    let device = Device::flex();
    let tensor =
        |data: &[f32], dims: [usize; 3]| Tensor::<1>::from_floats(data, &device).reshape(dims);
    let draws = [
        Draw {
            log_prob: tensor(&[-1.0, -2.0, -3.0, -4.0], [2, 2, 1]),
            entropy: tensor(&[0.5, 0.25, 1.0, 0.0], [2, 2, 1]),
        },
        Draw {
            log_prob: tensor(&[-0.5, 0.0, -1.5, -2.5, -1.0, -0.5], [2, 1, 3]),
            entropy: tensor(&[0.0, 1.0, 0.0, 2.0, 0.0, 0.5], [2, 1, 3]),
        },
    ];
    let mut rule = Reinforce { baseline: 1.0, ..Reinforce::new(2.0, 4.0) };
    let loss = rule.loss(&draws, Tensor::from_floats([3.0, -2.0], &device));
    let of_rows = [
        2.0 * (3.0 - 1.0) * (-3.0 - 2.0) + 4.0 * (0.75 + 1.0),
        2.0 * (-2.0 - 1.0) * (-7.0 - 4.0) + 4.0 * (1.0 + 2.5),
    ];
    let expected = -(of_rows[0] + of_rows[1]) / 2.0;
    assert_close("loss", &values(&loss), &[expected], 1e-6);
    assert!((rule.baseline - (0.9 + 0.1 * 0.5)).abs() < 1e-9);
}

/// The gradient is that of `y = softmax((s + n) / τ)`, `y_j (u_j - Σ y u) / τ`, for noise that is
/// the same whatever the temperature: at a temperature that is very large, `y` is `1 / k`.
#[test]
fn gumbel_has_the_gradient_of_its_relaxation() {
    let scores = Sample::random(PAIRS, 46).scaled(2.0);
    let upstream = Sample::random(PAIRS, 47);
    let keys = PAIRS[3] as f64;
    for device in precise_devices() {
        let device = device.autodiff();
        let gradient = |temperature: f64| {
            let leaf = scores.f64(&device).require_grad();
            let alignment = gumbel(temperature).init(&device);
            let weights = align(&alignment, leaf.clone(), &Mask::open(), 10).weights;
            let gradients = (weights * upstream.f64(&device)).sum().backward();
            values(&leaf.grad(&gradients).unwrap())
        };
        let temperature = 1e9;
        let expected = upstream.map_rows(|row| {
            let mean = row.iter().sum::<f64>() / keys;
            row.iter().map(|u| (u - mean) / keys).collect()
        });
        let found: Vec<f64> = gradient(temperature).iter().map(|g| g * temperature).collect();
        // What is left of the scores and the noise, at most 40, over the temperature.
        assert_close("hot", &found, &expected.data, 1e-7);

        // Sums of a row are 0: a softmax does not see what all scores have in common.
        let found = gradient(0.5);
        for row in found.chunks(PAIRS[3]) {
            assert!(row.iter().sum::<f64>().abs() < 1e-12);
        }
        assert!(found.iter().any(|g| g.abs() > 0.01));
    }
}

/// Of two keys, the difference of the noise is a logistic number, so that the relaxed weight is
/// `σ((d + n) / τ)` (Maddison et al. 2017) and its mean slope an integral over one
/// variable, found without any draw.
#[test]
fn the_mean_gradient_of_gumbel_is_an_integral() {
    let (count, difference, temperature) = (40_000, 0.8, 0.6);
    let device = Device::flex().autodiff();
    let scores = Sample::from_fn([count, 1, 1, 2], |n| if n % 2 == 0 { difference } else { 0.0 });
    let leaf = scores.f64(&device).require_grad();
    let alignment = gumbel(temperature).init(&device);
    let weights = align(&alignment, leaf.clone(), &Mask::open(), 11).weights;
    let gradients = weights.slice_dim(3, 0..1).sum().backward();
    let found = values(&leaf.grad(&gradients).unwrap());
    let slopes: Vec<f64> = found.into_iter().step_by(2).collect();
    let average = slopes.iter().sum::<f64>() / count as f64;
    let variance = slopes.iter().map(|g| (g - average).powi(2)).sum::<f64>() / count as f64;

    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (step, range) = (1e-3, 40_000);
    let expected: f64 = (-range..range)
        .map(|n| {
            let noise = f64::from(n) * step;
            let density = logistic(noise) * logistic(-noise);
            let y = logistic((difference + noise) / temperature);
            density * y * (1.0 - y) / temperature * step
        })
        .sum();
    let error = (variance / count as f64).sqrt();
    assert!((average - expected).abs() < 4.0 * error, "{average}, not {expected} ± {error}");
    assert!(error < 0.002, "± {error}");
}

#[test]
fn they_keep_the_law() {
    check_law_of_alignment_without_gradient("hard", |device| hard().init(device));
    check_law_of_alignment("gumbel", |device| gumbel(0.5).init(device));
}

#[test]
fn a_draw_keeps_the_law() {
    let device = Device::flex().autodiff();
    let mut scores = Sample::random(PAIRS, 48);
    let mask = Mask::causal() & Mask::padding([5, 3]);
    let visible = super::support::lowered(&mask, PAIRS);
    let gradient = |scores: &Sample| {
        let leaf = scores.f32(&device).require_grad();
        let draw = align(&hard().init(&device), leaf.clone(), &mask, 12).draw.unwrap();
        let gradients = (draw.log_prob + draw.entropy).sum().backward();
        values(&leaf.grad(&gradients).unwrap())
    };
    let clean = gradient(&scores);
    for (n, &visible) in visible.iter().enumerate() {
        if !visible {
            assert_eq!(clean[n], 0.0);
            scores.data[n] = [f64::NAN, f64::INFINITY, -1e30][n % 3];
        }
    }
    assert!(gradient(&scores) == clean, "what is hidden leaks");
}

#[test]
fn large_scores_have_finite_draws_and_gradients() {
    let scores = Sample::random(PAIRS, 49);
    for device in devices() {
        let device = device.autodiff();
        for config in [hard(), gumbel(1.0), gumbel(0.01)] {
            for scale in [1e4, 1e30] {
                let leaf = scores.clone().scaled(scale).f32(&device).require_grad();
                let found = align(&config.init(&device), leaf.clone(), &Mask::causal(), 13);
                let mut loss = found.weights.clone().sum();
                assert_eq!(found.draw.is_some(), config == hard(), "{config:?}: a draw");
                if let Some(draw) = found.draw {
                    loss = loss + (draw.log_prob + draw.entropy).sum();
                }
                let gradients = loss.backward();
                let gradient = values(&leaf.grad(&gradients).unwrap());
                let all = values(&found.weights).into_iter().chain(gradient).chain(values(&loss));
                assert!(all.into_iter().all(f64::is_finite), "{config:?} at {scale}");
            }
        }
    }
}

#[test]
fn attention_hands_the_draw_out() {
    let device = Device::flex().autodiff();
    let config = AttentionConfig { alignment: hard(), ..AttentionConfig::new() };
    let attention = config.init(&device);
    let [b, h, q, k] = PAIRS;
    let query = Sample::random([b, h, q, 8], 50).f32(&device).require_grad();
    let key = Sample::random([b, h, k, 8], 51).f32(&device);
    let memory = attention.project_memory(key.clone(), key);
    let reading =
        attention.cross_attend(query.clone(), &memory, &Mask::causal(), &mut Past::start());
    let draw = reading.draw.unwrap();
    assert_eq!(draw.log_prob.dims(), [b, h, q]);
    let gradients = draw.log_prob.sum().backward();
    assert!(values(&query.grad(&gradients).unwrap()).iter().any(|&g| g != 0.0));
}

#[test]
fn a_file_names_them() {
    let read = |json: &str| serde_json::from_str::<AlignmentConfig>(json).unwrap();
    assert_eq!(read(r#"{ "name": "hard" }"#), hard());
    assert_eq!(read(r#"{ "name": "gumbel_softmax", "temperature": 0.5 }"#), gumbel(0.5));
}

/// Or 0 · ∞ would be no number: the temperature's inverse times a best score that is 0, or an inverse
/// of 0 times a hidden score.
#[test]
fn temperatures_that_f32_does_not_hold_are_refused() {
    for temperature in [1e-50, 1e-19, 1e19, 1e50, f64::NAN] {
        let error = gumbel(temperature).validate().unwrap_err();
        assert!(matches!(error, AlignmentError::Range { .. }), "{temperature}");
    }
    for device in devices() {
        let device = device.autodiff();
        for temperature in [1e-18, 1e18] {
            let leaf = Sample::random(PAIRS, 48).scaled(2.0).f32(&device).require_grad();
            let alignment = gumbel(temperature).init(&device);
            let weights = align(&alignment, leaf.clone(), &Mask::causal(), 12).weights;
            let upstream = Sample::random(PAIRS, 49).f32(&device);
            let gradients = (weights.clone() * upstream).sum().backward();
            for x in [values(&weights), values(&leaf.grad(&gradients).unwrap())].concat() {
                assert!(x.is_finite(), "{temperature} on {device:?}");
            }
        }
    }
}

#[test]
fn weights_of_a_rule_that_f32_does_not_hold_are_refused() {
    for rule in [Reinforce::new(1e300, 0.0), Reinforce::new(0.0, 1e300)] {
        assert!(rule.validate().is_err(), "{rule:?}");
    }
    assert!(Reinforce { baseline: -1e300, ..Reinforce::new(1.0, 0.0) }.validate().is_err());
}
