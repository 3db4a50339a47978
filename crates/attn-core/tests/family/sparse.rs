//! Alignments whose weights are computed: sparsemax, α-entmax, sigmoid, top-k.

use super::support::{
    PAIRS, Sample, assert_close, check_law_of_alignment, check_law_of_mechanism,
    check_module_gradients, devices, masks, precise_devices, values, weights_of,
};
use attn_core::Mask;
use attn_core::alignment::{
    Alignment, AlignmentConfig, Entmax, EntmaxAlpha, EntmaxConfig, Past, SigmoidBias,
    SigmoidConfig, SoftmaxConfig, SparsemaxConfig, TopKConfig, weigh,
};
use attn_core::mechanism::AttentionConfig;
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::Deserialize;

fn entmax(alpha: f64) -> EntmaxConfig {
    EntmaxConfig::new().with_alpha(EntmaxAlpha::Fixed(alpha))
}

/// `[batch, heads, queries, keys]` where every score is moved: each difference costs two passes.
const FEW: [usize; 4] = [1, 2, 3, 5];

/// An entmax with these logits of α.
fn learned(logits: &[f64], device: &Device, dtype: DType) -> Entmax {
    let config = EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(logits.len()));
    let data = TensorData::new(logits.to_vec(), [logits.len()]);
    let logits = Tensor::from_data(data, (device, dtype));
    let logits = if device.is_autodiff() { logits.require_grad() } else { logits };
    let mut alignment = config.init(device);
    alignment.logits = Some(Param::from_tensor(logits));
    alignment
}

/// The weights of an alignment under a mask.
fn weights(alignment: &dyn Alignment, scores: Tensor<4>, mask: &Mask) -> Tensor<4> {
    weigh(alignment, scores, None, mask, &Past::start()).weights
}

fn assert_sums_to_one(what: &str, weights: &[f64], keys: usize) {
    for (row, weights) in weights.chunks(keys).enumerate() {
        let sum: f64 = weights.iter().sum();
        // The weights are divided by their sum: one rounding each, and one of the sum.
        let tolerance = f64::from(f32::EPSILON) * keys as f64;
        assert!((sum - 1.0).abs() < tolerance, "{what}: row {row} sums to {sum}");
    }
}

/// Martins & Astudillo (2016), algorithm 1.
fn sparsemax(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut tau) = (0.0, 0.0);
    for (n, z) in sorted.iter().enumerate() {
        sum += z;
        if 1.0 + (n + 1) as f64 * z > sum {
            tau = (sum - 1.0) / (n + 1) as f64;
        }
    }
    scores.iter().map(|z| (z - tau).max(0.0)).collect()
}

/// The definition of α-entmax, with its τ by bisection.
fn entmax_loop(scores: &[f64], alpha: f64) -> Vec<f64> {
    let at = |tau: f64| -> Vec<f64> {
        let power = 1.0 / (alpha - 1.0);
        scores.iter().map(|s| ((alpha - 1.0) * s - tau).max(0.0).powf(power)).collect()
    };
    let max = scores.iter().fold(f64::MIN, |a, &b| a.max(b)) * (alpha - 1.0);
    let (mut low, mut high) = (max - 1.0, max);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if at(middle).iter().sum::<f64>() >= 1.0 { low = middle } else { high = middle }
    }
    at(low)
}

#[test]
fn sparsemax_is_its_equation() {
    let scores = Sample::random(PAIRS, 21).scaled(2.0);
    let expected = scores.map_rows(sparsemax);
    assert!(expected.data.iter().filter(|&&w| w == 0.0).count() > 100);
    for device in devices() {
        let alignment = SparsemaxConfig::new().init(&device);
        let found = values(&weights(&alignment, scores.f32(&device), &Mask::open()));
        // A sum of at most seven numbers below 4, divided, and one subtraction.
        assert_close("sparsemax", &found, &expected.data, 2e-6);
        for (found, expected) in found.iter().zip(&expected.data) {
            assert_eq!(*found == 0.0, *expected == 0.0, "zeros are exact");
        }
        assert_sums_to_one("sparsemax", &found, PAIRS[3]);
    }
}

#[test]
fn entmax_is_its_equation() {
    let scores = Sample::random(PAIRS, 22).scaled(2.0);
    for alpha in [1.01, 1.1, 1.3, 1.5, 1.7, 2.0, 2.3, 3.0, 5.0] {
        let expected = scores.map_rows(|row| entmax_loop(row, alpha));
        for device in devices() {
            let alignment = entmax(alpha).init(&device);
            let found = values(&weights(&alignment, scores.f32(&device), &Mask::open()));
            // Above 2, a rounding of a score moves a weight by up to p^(2 - α) times that.
            let least = expected.data.iter().filter(|&&p| p > 0.0).fold(1.0, |a: f64, &p| a.min(p));
            let moved = least.powf(2.0 - alpha) * 8.0 * f64::from(f32::EPSILON);
            let tolerance = if alpha > 2.0 { moved.max(1e-5) } else { 1e-5 };
            assert_close(&format!("{alpha}-entmax"), &found, &expected.data, tolerance);
            assert_sums_to_one(&format!("{alpha}-entmax"), &found, PAIRS[3]);
            for (found, expected) in found.iter().zip(&expected.data) {
                // A weight that rounding decides about is below what f32 resolves in the score.
                let resolved = f64::from(f32::EPSILON).powf(1.0 / (alpha - 1.0)) * 8.0;
                assert!(*expected != 0.0 || *found <= resolved, "{alpha}: {found}, not 0");
            }
        }
    }
}

/// Where supports are large and rounded sums long; and where all keys are equal.
#[test]
fn many_keys_are_no_less_exact() {
    let dims = [1, 1, 2, 1500];
    for (scale, alphas) in [(0.0, [1.2, 1.5, 2.0, 3.0]), (0.02, [1.2, 1.5, 1.9, 2.0])] {
        let scores = Sample::random(dims, 32).scaled(scale);
        for alpha in alphas {
            let expected = scores.map_rows(|row| entmax_loop(row, alpha));
            for device in devices() {
                let alignment = entmax(alpha).init(&device);
                let found = values(&weights(&alignment, scores.f32(&device), &Mask::open()));
                // A τ that is off by a few roundings of 1 moves each of the small weights by
                // `p^(2 - α)` times that, at most.
                assert_close(&format!("{alpha}-entmax"), &found, &expected.data, 1e-6);
                assert_sums_to_one(&format!("{alpha}-entmax"), &found, dims[3]);
            }
        }
    }
}

#[derive(Deserialize)]
struct File {
    shape: [usize; 4],
    scores: Vec<f64>,
    probe: Vec<f64>,
    fixed: Vec<Fixed>,
    learned: Learned,
}

#[derive(Deserialize)]
struct Fixed {
    alpha: f64,
    weights: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Learned {
    logits: Vec<f64>,
    weights: Vec<f64>,
    gradient: Vec<f64>,
    gradient_of_logits: Vec<f64>,
}

/// Values from `data/entmax_reference.py`.
#[test]
fn it_is_the_entmax_of_its_authors() {
    let file: File = serde_json::from_str(include_str!("../data/entmax_reference.json")).unwrap();
    let scores = Sample { dims: file.shape, data: file.scores };
    let probe = Sample { dims: file.shape, data: file.probe };
    for device in devices() {
        let device = device.autodiff();
        let answer = |alignment: &Entmax| {
            let leaf = scores.f32(&device).require_grad();
            let weights = weights(alignment, leaf.clone(), &Mask::open());
            let gradients = (weights.clone() * probe.f32(&device)).sum().backward();
            let gradient = values(&leaf.grad(&gradients).unwrap());
            (values(&weights), gradient, weights_of(alignment, Some(&gradients)))
        };
        for case in &file.fixed {
            let what = format!("{}-entmax on {device:?}", case.alpha);
            let (weights, gradient, _) = answer(&entmax(case.alpha).init(&device));
            assert_close(&what, &weights, &case.weights, 1e-5);
            assert_close(&format!("{what}: d scores"), &gradient, &case.gradient, 1e-5);
        }
        let case = &file.learned;
        let (weights, gradient, of_logits) = answer(&learned(&case.logits, &device, DType::F32));
        assert_close("learned entmax", &weights, &case.weights, 1e-5);
        assert_close("learned entmax: d scores", &gradient, &case.gradient, 1e-5);
        assert_close("learned entmax: d logits", &of_logits, &case.gradient_of_logits, 1e-5);
    }
}

#[test]
fn they_have_their_gradients() {
    let scores = [Sample::random(FEW, 123).scaled(1.5)];
    let causal = Mask::causal();
    let check = |name: &str, config: AlignmentConfig| {
        // Differences of numbers of order 1 over 2e-5 are good to 1e-10, and to the square of the
        // step, 1e-10, times a third derivative, which grows without bound towards the edge of a
        // support: these scores keep away from it.
        let init = |device: &Device| config.init(device);
        check_module_gradients(name, init, &scores, 1e-6, |alignment, inputs| {
            weights(alignment, inputs[0].clone(), &causal)
        });
    };
    check("sparsemax", AlignmentConfig::Sparsemax(SparsemaxConfig::new()));
    for alpha in [1.05, 1.5, 1.8, 2.0, 2.5] {
        check(&format!("{alpha}-entmax"), AlignmentConfig::Entmax(entmax(alpha)));
    }
    for bias in [SigmoidBias::Keys, SigmoidBias::Visible, SigmoidBias::Fixed(0.5)] {
        let config = SigmoidConfig::new().with_bias(bias);
        check("sigmoid", AlignmentConfig::Sigmoid(config));
    }
    check("top-k", AlignmentConfig::TopK(TopKConfig::new(3)));
}

/// From an α next to 1, where the two halves of the paper's formula cancel, to one next to 2.
#[test]
fn entmax_has_its_gradient_in_alpha() {
    for logits in [[-14.0, 0.5], [-5.0, 30.0], [-1.0, 3.0]] {
        check_module_gradients(
            "learned entmax",
            |device| learned(&logits, device, DType::F64),
            &[Sample::random(FEW, 24).scaled(1.5)],
            // As above; these scores keep away from the edges of supports too.
            1e-6,
            |alignment, inputs| weights(alignment, inputs[0].clone(), &Mask::causal()),
        );
    }
}

#[test]
fn entmax_goes_from_softmax_to_sparsemax() {
    let scores = Sample::random(PAIRS, 25).scaled(3.0);
    for device in precise_devices() {
        let of = |alignment: &dyn Alignment| {
            values(&weights(alignment, scores.f64(&device), &Mask::causal()))
        };
        let softmax = of(&SoftmaxConfig::new().init(&device));
        let sparsemax = of(&SparsemaxConfig::new().init(&device));
        assert_eq!(of(&entmax(1.0).init(&device)), softmax);
        assert_eq!(of(&entmax(2.0).init(&device)), sparsemax);
        // A weight changes with α by at most ln² p / 2 · p, here below 20 · p.
        assert_close("α → 1", &of(&entmax(1.0 + 1e-9).init(&device)), &softmax, 2e-8);
        // Slopes in α at 2 are of order 1.
        assert_close("α → 2", &of(&entmax(2.0 - 1e-9).init(&device)), &sparsemax, 1e-8);
        // Between the two ways to find τ.
        let sorted = of(&entmax(1.5).init(&device));
        assert_close("α → 1.5", &of(&entmax(1.5 + 1e-9).init(&device)), &sorted, 1e-8);
        let ends = learned(&[-800.0, 800.0, -800.0, 800.0], &device, DType::F64);
        let expected: Vec<f64> = (0..softmax.len())
            .map(|n| if n / 42 % 2 == 0 { softmax[n] } else { sparsemax[n] })
            .collect();
        assert_close("learned to the ends", &of(&ends), &expected, 1e-10);
    }
}

/// In f32 also: where `1 / (α - 1)` would leave no digit of a power.
#[test]
fn entmax_next_to_softmax_loses_no_precision() {
    let scores = Sample::random(PAIRS, 26).scaled(3.0);
    let device = Device::flex();
    let of =
        |alignment: &dyn Alignment| values(&weights(alignment, scores.f32(&device), &Mask::open()));
    let softmax = of(&SoftmaxConfig::new().init(&device));
    // ln² p / 2 · p < 1, so that this α is 1e-6 away at most, and some roundings.
    assert_close("α → 1", &of(&entmax(1.0 + 1e-6).init(&device)), &softmax, 2e-6);
}

#[test]
fn sigmoid_is_its_equation() {
    let scores = Sample::random(PAIRS, 27).scaled(4.0);
    let logistic = |bias: f64| {
        move |row: &[f64]| -> Vec<f64> {
            row.iter().map(|s| 1.0 / (1.0 + (-s - bias).exp())).collect()
        }
    };
    let keys = PAIRS[3] as f64;
    for (bias, number) in [
        (SigmoidBias::Keys, -keys.ln()),
        (SigmoidBias::Visible, -keys.ln()),
        (SigmoidBias::Fixed(0.75), 0.75),
    ] {
        for device in devices() {
            let alignment = SigmoidConfig::new().with_bias(bias).init(&device);
            let found = weights(&alignment, scores.f32(&device), &Mask::open());
            let expected = scores.map_rows(logistic(number));
            assert_close("sigmoid", &values(&found), &expected.data, 1e-6);
        }
    }
}

/// With `-ln n` of visible keys, padding is nothing; with that of all keys, it is not.
#[test]
fn the_bias_of_sigmoid_attention_counts_what_it_says() {
    let device = Device::flex();
    let long = Sample::random([1, 2, 3, 5], 28);
    let short = long.map_rows(|row| row[..4].to_vec());
    let of = |bias, scores: &Sample, mask: &Mask| {
        let alignment = SigmoidConfig::new().with_bias(bias).init(&device);
        let found = weights(&alignment, scores.f32(&device), mask);
        values(&found.slice_dim(3, 0..4))
    };
    let padding = Mask::padding([4]);
    let padded = of(SigmoidBias::Visible, &long, &padding);
    assert_eq!(padded, of(SigmoidBias::Visible, &short, &Mask::open()));
    let padded = of(SigmoidBias::Keys, &long, &padding);
    assert_eq!(padded, of(SigmoidBias::Fixed(-5f64.ln()), &short, &Mask::open()));
}

#[test]
fn top_k_is_a_softmax_over_the_best() {
    let scores = Sample::random(PAIRS, 29).scaled(4.0);
    let expected = |k: usize| {
        scores.map_rows(|row| {
            let rank = |j: usize| row.iter().filter(|&&s| s > row[j]).count();
            let kept = |j: usize| if rank(j) < k { row[j].exp() } else { 0.0 };
            let sum: f64 = (0..row.len()).map(kept).sum();
            (0..row.len()).map(|j| kept(j) / sum).collect()
        })
    };
    for device in devices() {
        for k in [1, 2, 5, 7, 8, 100] {
            let alignment = TopKConfig::new(k).init(&device);
            let found = values(&weights(&alignment, scores.f32(&device), &Mask::open()));
            assert_close(&format!("top {k}"), &found, &expected(k).data, 1e-6);
        }
    }
}

#[test]
fn top_k_of_all_keys_is_softmax() {
    let scores = Sample::random(PAIRS, 30).scaled(4.0);
    for device in devices() {
        let softmax = SoftmaxConfig::new().init(&device);
        let top = TopKConfig::new(PAIRS[3]).init(&device);
        for (name, mask) in masks() {
            let of =
                |alignment: &dyn Alignment| values(&weights(alignment, scores.f32(&device), &mask));
            assert_eq!(of(&top), of(&softmax), "under {name}");
        }
    }
}

#[test]
fn of_equal_scores_top_k_keeps_the_first() {
    let row = [1.0, 3.0, 1.0, 0.0, 1.0, 1.0];
    let scores = Sample { dims: [1, 1, 1, 6], data: row.to_vec() };
    for device in devices() {
        let kept = |k: usize, mask: &Mask| -> Vec<bool> {
            let alignment = TopKConfig::new(k).init(&device);
            let found = values(&weights(&alignment, scores.f32(&device), mask));
            found.into_iter().map(|weight| weight > 0.0).collect()
        };
        let open = Mask::open();
        assert_eq!(kept(3, &open), [true, true, true, false, false, false]);
        assert_eq!(kept(4, &open), [true, true, true, false, true, false]);
        // What is hidden takes no place.
        let late = Mask::left_padding([2]);
        assert_eq!(kept(2, &late), [false, false, true, false, true, false]);
    }
}

#[test]
fn they_keep_the_law() {
    check_law_of_alignment("sparsemax", |device| SparsemaxConfig::new().init(device));
    for alpha in [1.0, 1.5, 1.7, 2.0, 4.0] {
        check_law_of_alignment("entmax", |device| entmax(alpha).init(device));
    }
    check_law_of_alignment("learned entmax", |device| {
        EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(4)).init(device)
    });
    for bias in [SigmoidBias::Keys, SigmoidBias::Visible] {
        check_law_of_alignment("sigmoid", |device| {
            SigmoidConfig::new().with_bias(bias).init(device)
        });
    }
    check_law_of_alignment("top-k", |device| TopKConfig::new(3).init(device));
}

#[test]
fn attention_keeps_the_law_with_them() {
    for alignment in [
        AlignmentConfig::Sparsemax(SparsemaxConfig::new()),
        AlignmentConfig::Entmax(entmax(1.7)),
        AlignmentConfig::Sigmoid(SigmoidConfig::new()),
        AlignmentConfig::TopK(TopKConfig::new(2)),
    ] {
        let config = AttentionConfig { alignment, ..AttentionConfig::new() };
        check_law_of_mechanism("attention", |device| config.init(device), &masks());
    }
}

#[test]
fn large_scores_have_finite_weights_and_gradients() {
    let signs = Sample::random(PAIRS, 31);
    for device in devices() {
        let device = device.autodiff();
        let alpha = |alpha| AlignmentConfig::Entmax(entmax(alpha)).init(&device);
        let with_alpha = EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(4));
        let alignments = [
            AlignmentConfig::Sparsemax(SparsemaxConfig::new()).init(&device),
            AlignmentConfig::Entmax(with_alpha).init(&device),
            AlignmentConfig::Sigmoid(SigmoidConfig::new()).init(&device),
            AlignmentConfig::TopK(TopKConfig::new(2)).init(&device),
            alpha(1.0 + 1e-6),
            alpha(1.2),
            alpha(1.5),
            alpha(3.0),
            alpha(100.0),
        ];
        for alignment in &alignments {
            for (scale, ties) in [(1e4, false), (1e30, false), (1e4, true), (0.0, true)] {
                let scores = Sample::from_fn(PAIRS, |n| {
                    let x = signs.data[n] * scale;
                    if ties { x.signum() * scale } else { f64::from(x as f32) }
                });
                let leaf = scores.f32(&device).require_grad();
                let weights = weights(alignment, leaf.clone(), &Mask::causal());
                let loss = (weights.clone() * signs.f32(&device)).sum();
                let gradients = loss.backward();
                let what = format!("{alignment:?} at {scale}");
                let gradient = values(&leaf.grad(&gradients).unwrap());
                let found = [values(&weights), gradient, weights_of(alignment, Some(&gradients))];
                assert!(found.iter().flatten().all(|x| x.is_finite()), "{what}");
            }
        }
    }
}

#[test]
fn a_file_names_them() {
    let read = |json: &str| serde_json::from_str::<AlignmentConfig>(json).unwrap();
    let entmax = r#"{ "name": "entmax", "alpha": { "learned": 8 } }"#;
    let expected = EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(8));
    assert_eq!(read(entmax), AlignmentConfig::Entmax(expected));
    let sparsemax = AlignmentConfig::Sparsemax(SparsemaxConfig::new());
    assert_eq!(read(r#"{ "name": "sparsemax" }"#), sparsemax);
    let sigmoid = SigmoidConfig::new().with_bias(SigmoidBias::Fixed(-7.5));
    let json = r#"{ "name": "sigmoid", "bias": { "fixed": -7.5 } }"#;
    assert_eq!(read(json), AlignmentConfig::Sigmoid(sigmoid));
    let json = r#"{ "name": "top_k", "k": 4 }"#;
    assert_eq!(read(json), AlignmentConfig::TopK(TopKConfig::new(4)));
    assert!(serde_json::from_str::<AlignmentConfig>(r#"{ "name": "top_k" }"#).is_err());
}

#[test]
#[should_panic(expected = "entmax: an α for 3 heads, scores of 4")]
fn a_learned_alpha_has_its_heads() {
    let device = Device::flex();
    let alignment = learned(&[0.0; 3], &device, DType::F32);
    weights(&alignment, Tensor::zeros(PAIRS, &device), &Mask::open());
}
