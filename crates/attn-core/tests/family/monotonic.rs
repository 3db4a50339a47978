//! Monotonic attention, and monotonic chunkwise attention.

use super::support::{
    PAIRS, Sample, assert_close, check_gradients, check_large_scores, check_law_of_alignment,
    check_module_gradients, check_steps, devices, lowered, masks, values,
};
use attn_core::Mask;
use attn_core::alignment::{
    Alignment, AlignmentConfig, ChunkwiseConfig, MonotonicConfig, Past, weigh,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// The offset of these tests: some keys are stopped at, others not.
const OFFSET: f64 = -0.5;

fn quiet() -> MonotonicConfig {
    MonotonicConfig::new().with_noise(0.0).with_offset(OFFSET)
}

fn quiet_chunks(chunk: usize) -> ChunkwiseConfig {
    ChunkwiseConfig::new(chunk).with_noise(0.0).with_offset(OFFSET)
}

/// The weights of a sequence from its start.
fn weights(alignment: &dyn Alignment, scores: Tensor<4>, mask: &Mask) -> Tensor<4> {
    weigh(alignment, scores, None, mask, &Past::start()).weights
}

/// `α_ij = p_ij Σ_{m ≤ j} α_{i-1,m} Π_{m ≤ l < j} (1 - p_il)` with `p = σ(s + r)`, 0 where hidden;
/// a query that sees nothing is passed over.
fn alphas(scores: &Sample, visible: &[bool], offset: f64) -> Vec<f64> {
    let [_, _, queries, keys] = scores.dims;
    let mut found = Vec::new();
    let mut last = Vec::new();
    for (row, (scores, visible)) in scores.data.chunks(keys).zip(visible.chunks(keys)).enumerate() {
        if row % queries == 0 {
            last = (0..keys).map(|j| if j == 0 { 1.0 } else { 0.0 }).collect();
        }
        let p = |j: usize| if visible[j] { 1.0 / (1.0 + (-scores[j] - offset).exp()) } else { 0.0 };
        // 1 - p would lose what is small.
        let rest =
            |j: usize| if visible[j] { 1.0 / (1.0 + (scores[j] + offset).exp()) } else { 1.0 };
        let alpha: Vec<f64> = (0..keys)
            .map(|j| {
                let come = |m: usize| last[m] * (m..j).map(rest).product::<f64>();
                p(j) * (0..=j).map(come).sum::<f64>()
            })
            .collect();
        if visible.contains(&true) {
            last.clone_from(&alpha);
        }
        found.extend(alpha);
    }
    found
}

/// The process itself: where each query stops.
fn stops(scores: &Sample, visible: &[bool], offset: f64) -> Vec<Option<usize>> {
    let [_, _, queries, keys] = scores.dims;
    let mut found = Vec::new();
    let mut at = Some(0);
    for (row, (scores, visible)) in scores.data.chunks(keys).zip(visible.chunks(keys)).enumerate() {
        if row % queries == 0 {
            at = Some(0);
        }
        if !visible.contains(&true) {
            found.push(None);
            continue;
        }
        let mut keys = at.unwrap_or(keys)..keys;
        at = keys.find(|&j| visible[j] && scores[j] + offset >= 0.0);
        found.push(at);
    }
    found
}

/// 1 where a query stopped.
fn one_hot(stops: &[Option<usize>], keys: usize) -> Vec<f64> {
    let row = |stop: &Option<usize>| {
        let stop = *stop;
        (0..keys).map(move |j| if Some(j) == stop { 1.0 } else { 0.0 })
    };
    stops.iter().flat_map(row).collect()
}

/// `β_ij = Σ_{m = j}^{j+w-1} α_im exp(u_ij) / Σ_{l = m-w+1}^{m} exp(u_il)`, hidden keys left out.
fn betas(alphas: &[f64], scores: &Sample, visible: &[bool], w: usize) -> Vec<f64> {
    let keys = scores.dims[3];
    let mut found = Vec::new();
    for (row, scores) in scores.data.chunks(keys).enumerate() {
        let (alpha, visible) = (&alphas[row * keys..][..keys], &visible[row * keys..][..keys]);
        // Relative to the key that is asked about, so that no exponential of a large score is taken.
        let share = |j: usize, m: usize| {
            let chunk = ((m + 1).saturating_sub(w)..=m).filter(|&l| visible[l]);
            1.0 / chunk.map(|l| (scores[l] - scores[j]).exp()).sum::<f64>()
        };
        found.extend((0..keys).map(|j| {
            let ends = (j..keys.min(j + w)).filter(|&m| visible[m]);
            if visible[j] { ends.map(|m| alpha[m] * share(j, m)).sum::<f64>() } else { 0.0 }
        }));
    }
    found
}

/// Scores that lead some walks past the end and leave others within.
fn scores(seed: u64) -> Sample {
    Sample::random(PAIRS, seed).scaled(4.0)
}

#[test]
fn alpha_is_its_definition() {
    let scores = scores(1);
    for (name, mask) in masks() {
        let expected = alphas(&scores, &lowered(&mask, PAIRS), OFFSET);
        for device in devices() {
            let device = device.autodiff();
            let alignment = quiet().init(&device);
            let found = weights(&alignment, scores.f32(&device), &mask);
            // Products of up to 7 · 6 probabilities, each good to a few roundings.
            assert_close(&format!("alpha, {name}"), &values(&found), &expected, 1e-5);
        }
    }
}

#[test]
fn alpha_keeps_its_digits_where_it_is_small() {
    let dims = [1, 2, 9, 150];
    // Multiples of 1/64, so that the energies are exact; their probabilities go down to 1e-7, and
    // the product of the chances to go on to 1e-38 and beyond.
    let mut scores = Sample::random(dims, 2);
    scores.data.iter_mut().for_each(|x| *x = (*x * 16.0 * 64.0).round() / 64.0);
    let expected = alphas(&scores, &vec![true; 2 * 9 * 150], OFFSET);
    for device in devices() {
        let device = device.autodiff();
        let found = weights(&quiet().init(&device), scores.f32(&device), &Mask::open());
        for (n, (found, expected)) in values(&found).iter().zip(&expected).enumerate() {
            // 150 · 9 factors at most, each good to 2⁻²³ or so; below 1e-30 f32 runs out.
            let error = (found - expected).abs();
            assert!(error < 2e-4 * expected + 1e-30, "element {n} is {found}, not {expected}");
        }
    }
}

#[test]
fn decoding_is_the_walk() {
    for seed in 3..6 {
        let scores = scores(seed);
        for (name, mask) in masks() {
            let expected = one_hot(&stops(&scores, &lowered(&mask, PAIRS), OFFSET), PAIRS[3]);
            for device in devices() {
                let found = weights(&quiet().init(&device), scores.f32(&device), &mask);
                assert_eq!(values(&found), expected, "{name} on {device:?}");
            }
        }
    }
}

#[test]
fn decoding_keeps_the_law() {
    let clean = scores(7);
    let configs =
        [AlignmentConfig::Monotonic(quiet()), AlignmentConfig::Chunkwise(quiet_chunks(3))];
    for device in devices() {
        for alignment in configs.clone().map(|config| config.init(&device)) {
            for (name, mask) in masks() {
                let found = weights(&alignment, clean.f32(&device), &mask);
                let mut poisoned = clean.clone();
                for (n, visible) in lowered(&mask, PAIRS).into_iter().enumerate() {
                    if !visible {
                        assert_eq!(values(&found)[n], 0.0, "{name}: hidden weight {n}");
                        poisoned.data[n] = [f64::NAN, f64::INFINITY, -1e30][n % 3];
                    }
                }
                let again = weights(&alignment, poisoned.f32(&device), &mask);
                assert_eq!(values(&again), values(&found), "{name}: what is hidden leaks");
            }
        }
    }
}

#[test]
fn alignments_never_move_back() {
    for device in devices() {
        let found = weights(&quiet().init(&device), scores(8).f32(&device), &Mask::open());
        for head in values(&found).chunks(PAIRS[2] * PAIRS[3]) {
            let places = head.chunks(PAIRS[3]).map(|row| row.iter().position(|&w| w == 1.0));
            // None, past the end, is behind all.
            let places: Vec<_> = places.map(|place| place.unwrap_or(PAIRS[3])).collect();
            assert!(places.is_sorted(), "{places:?}");
        }

        let device = device.autodiff();
        let found = weights(&quiet().init(&device), scores(8).f32(&device), &Mask::open());
        for head in values(&found).chunks(PAIRS[2] * PAIRS[3]) {
            let mut before = 1.0;
            for row in head.chunks(PAIRS[3]) {
                let sum: f64 = row.iter().sum();
                assert!(sum <= before + 1e-6, "weights sum to {sum} after {before}");
                before = sum;
            }
        }
    }
}

#[test]
fn they_keep_the_law() {
    for noise in [0.0, 1.0] {
        let config = quiet().with_noise(noise);
        check_law_of_alignment("monotonic", |device| config.init(device));
        let config = quiet_chunks(3).with_noise(noise);
        check_law_of_alignment("chunkwise", |device| config.init(device));
    }
}

/// Small, because a difference is taken in every score; all sizes differ.
const SMALL: [usize; 4] = [2, 1, 4, 5];

// Central differences of smooth functions: h² · f''' / 6 < 1e-9, and 1e-16 / h for rounding.
const TOLERANCE: f64 = 1e-7;

#[test]
fn monotonic_has_its_gradients() {
    for mask in [Mask::open(), Mask::causal(), Mask::left_padding([2, 4])] {
        check_module_gradients(
            "monotonic",
            |device| quiet().init(device),
            &[Sample::random(SMALL, 9)],
            TOLERANCE,
            |alignment, inputs| weights(alignment, inputs[0].clone(), &mask),
        );
    }
}

#[test]
fn gradients_pass_through_what_is_carried() {
    check_gradients("carry", &[Sample::random(SMALL, 10)], TOLERANCE, |inputs| {
        let alignment = quiet().init(&inputs[0].device());
        let alignment = super::support::in_f64(alignment);
        let mut past = Past::start();
        let parts = [0..1, 1..2, 2..4].map(|rows| {
            let part = inputs[0].clone().slice_dim(2, rows);
            let aligned = weigh(&alignment, part, None, &Mask::open(), &past);
            past.advance(&aligned);
            aligned.weights
        });
        Tensor::cat(parts.to_vec(), 2)
    });
}

#[test]
fn chunkwise_has_its_gradients() {
    for mask in [Mask::open(), Mask::causal(), Mask::dilated(2)] {
        check_module_gradients(
            "chunkwise",
            |device| quiet_chunks(3).init(device),
            &[Sample::random(SMALL, 11)],
            TOLERANCE,
            |alignment, inputs| weights(alignment, inputs[0].clone(), &mask),
        );
    }
}

#[test]
fn large_scores_have_finite_gradients() {
    check_large_scores("monotonic", |device| quiet().init(device));
    check_large_scores("chunkwise", |device| quiet_chunks(3).init(device));
}

#[test]
fn they_are_the_same_step_by_step() {
    // Noise of a seed belongs to the step, so that it does not matter here.
    let configs = [
        AlignmentConfig::Monotonic(quiet()),
        AlignmentConfig::Monotonic(quiet().with_noise(1.0)),
        AlignmentConfig::Chunkwise(quiet_chunks(3)),
    ];
    for config in configs {
        check_steps("training", &config, true);
        check_steps("decoding", &config, false);
    }
}

/// Noise that is drawn by `config`: weights with and without it, and again.
fn with_noise(config: &MonotonicConfig, frozen: bool, device: &Device) -> [Vec<f64>; 2] {
    let scores = scores(12).f32(device);
    let alignment = config.init(device);
    let alignment = if frozen { alignment.freeze() } else { alignment };
    attn_core::random::seed(5);
    [(), ()].map(|()| values(&weights(&alignment, scores.clone(), &Mask::open())))
}

#[test]
fn noise_is_drawn_in_training_only() {
    for plain in devices() {
        let device = plain.clone().autodiff();
        let noisy = quiet().with_noise(1.0);
        let [first, second] = with_noise(&noisy, false, &device);
        assert_ne!(first, second);
        assert_eq!([first.clone(), second], with_noise(&noisy, false, &device), "another answer");
        assert_ne!(first, with_noise(&quiet(), false, &device)[0]);
        assert_eq!(with_noise(&noisy, true, &device), with_noise(&quiet(), false, &device));
        assert_eq!(with_noise(&noisy, false, &plain), with_noise(&quiet(), false, &plain));
    }
}

#[test]
fn beta_is_its_definition() {
    let scores = scores(13);
    for (name, mask) in masks() {
        let visible = lowered(&mask, PAIRS);
        let alpha = alphas(&scores, &visible, OFFSET);
        let walked = one_hot(&stops(&scores, &visible, OFFSET), PAIRS[3]);
        for w in [2, 3, 12] {
            let trained = betas(&alpha, &scores, &visible, w);
            let decoded = betas(&walked, &scores, &visible, w);
            for device in devices() {
                let what = format!("beta, w = {w}, {name}");
                let found = weights(&quiet_chunks(w).init(&device), scores.f32(&device), &mask);
                // A softmax; in training times what α is good to.
                assert_close(&what, &values(&found), &decoded, 1e-6);
                let device = device.autodiff();
                let found = weights(&quiet_chunks(w).init(&device), scores.f32(&device), &mask);
                assert_close(&what, &values(&found), &trained, 1e-5);
            }
        }
    }
}

#[test]
fn a_chunk_of_one_key_is_monotonic_attention() {
    for plain in devices() {
        for device in [plain.clone(), plain.autodiff()] {
            for mask in [Mask::open(), Mask::causal()] {
                let scores = scores(14).f32(&device);
                let chunks = weights(&quiet_chunks(1).init(&device), scores.clone(), &mask);
                let keys = weights(&quiet().init(&device), scores, &mask);
                assert_eq!(values(&chunks), values(&keys));
            }
        }
    }
}

#[test]
fn a_chunk_does_not_vanish_beside_a_large_score() {
    let mut scores = scores(15);
    // The walk never gets past key 2, where all stop; key 5 is far above the chunk.
    for row in scores.data.chunks_mut(PAIRS[3]) {
        (row[2], row[5]) = (300.0, 1e4);
    }
    let visible = vec![true; scores.data.len()];
    let expected = betas(&one_hot(&stops(&scores, &visible, OFFSET), 7), &scores, &visible, 2);
    for device in devices() {
        let found = weights(&quiet_chunks(2).init(&device), scores.f32(&device), &Mask::open());
        assert_close("beta", &values(&found), &expected, 1e-6);
        for row in values(&found).chunks(PAIRS[3]) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn alpha_is_carried_and_not_beta() {
    for device in devices() {
        let device = device.autodiff();
        let scores = scores(16).f32(&device);
        let [chunks, keys] =
            [AlignmentConfig::Chunkwise(quiet_chunks(3)), AlignmentConfig::Monotonic(quiet())].map(
                |config| {
                    weigh(
                        &config.init(&device),
                        scores.clone(),
                        None,
                        &Mask::open(),
                        &Past::start(),
                    )
                },
            );
        let last = keys.weights.slice_dim(2, 5..6).reshape([2, 4, 7]);
        assert_eq!(values(&keys.carry.unwrap()), values(&last));
        assert_eq!(values(&chunks.carry.unwrap()), values(&last));
    }
}

#[test]
fn a_query_that_sees_nothing_is_passed_over() {
    // Of four queries on two keys, the first two see none.
    let scores = Sample { dims: [1, 1, 4, 2], data: vec![9.0, 9.0, 9.0, 9.0, 9.0, 9.0, -9.0, 9.0] };
    for device in devices() {
        let found = weights(&quiet().init(&device), scores.f32(&device), &Mask::causal());
        assert_eq!(values(&found), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    }
}

#[test]
fn they_are_chosen_by_name() {
    for (text, expected) in [
        (r#"{"name":"monotonic"}"#, AlignmentConfig::Monotonic(MonotonicConfig::new())),
        (r#"{"name":"chunkwise","chunk":4}"#, AlignmentConfig::Chunkwise(ChunkwiseConfig::new(4))),
    ] {
        assert_eq!(serde_json::from_str::<AlignmentConfig>(text).unwrap(), expected);
        let text = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<AlignmentConfig>(&text).unwrap(), expected);
    }
}

/// Or noise that happens to be 0 would be no number.
#[test]
fn noise_that_f32_does_not_hold_is_refused() {
    for noise in [-1.0, 1e300, f64::INFINITY, f64::NAN] {
        assert!(quiet().with_noise(noise).validate().is_err(), "{noise}");
        assert!(quiet_chunks(3).with_noise(noise).validate().is_err(), "{noise}");
    }
}
