//! Scores by location, by distance, and those that look back.

use super::support::{
    Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, masks, values,
    weights_of,
};
use attn_core::Mask;
use attn_core::alignment::Past;
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_core::score::{
    Convolved, CoverageConfig, GaussianConfig, L2Config, LocationAwareConfig, LocationConfig,
    Score, ScoreConfig, ScoreError,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

const D_QUERY: usize = 4;
const D_KEY: usize = 9;
const D_HIDDEN: usize = 8;
const FILTERS: usize = 3;
const KERNEL: usize = 5;

/// `[b, h, q]`, `[b, g, k]` of the parity tests.
const QUERIES: [usize; 3] = [2, 6, 3];
const KEYS: [usize; 3] = [2, 3, 7];

fn location_aware(convolved: Convolved) -> LocationAwareConfig {
    LocationAwareConfig::new(D_QUERY, D_KEY, D_HIDDEN, FILTERS, KERNEL).with_convolved(convolved)
}

/// Every new score at the width of the law's cases.
fn family(d: usize) -> Vec<(&'static str, ScoreConfig)> {
    let aware = LocationAwareConfig::new(d, d, 5, 2, 3);
    let gaussian = GaussianConfig::new().with_bandwidth(0.7);
    vec![
        ("location", ScoreConfig::Location(LocationConfig::new(d, 9))),
        ("location-aware", ScoreConfig::LocationAware(aware.clone())),
        (
            "location-aware, cumulative",
            ScoreConfig::LocationAware(aware.with_convolved(Convolved::Cumulative)),
        ),
        ("l2", ScoreConfig::L2(L2Config::new())),
        ("gaussian", ScoreConfig::Gaussian(gaussian.clone())),
        ("gaussian, learned", ScoreConfig::Gaussian(gaussian.with_learned(true))),
        ("coverage", ScoreConfig::Coverage(CoverageConfig::new(d, d, 5))),
    ]
}

/// Element `to` of `x W`, with `W` `[x.len(), width]`.
fn project(x: &[f64], weights: &[f64], width: usize, to: usize) -> f64 {
    x.iter().enumerate().map(|(from, x)| x * weights[from * width + to]).sum()
}

/// The keys of each query in turn, with what each query head remembers of them.
fn of_pairs(
    query: &Sample,
    key: &Sample,
    past: Option<&Sample>,
    score: impl Fn(&[f64], &[f64], usize, &[f64]) -> f64,
) -> Vec<f64> {
    let [batch, heads, queries, _] = query.dims;
    let [_, kv_heads, keys, _] = key.dims;
    let none = vec![0.0; keys];
    let mut scores = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            let past = past.map_or(&none[..], |past| past.row(b, 0, h));
            for i in 0..queries {
                scores.extend((0..keys).map(|j| {
                    let key = key.row(b, h / (heads / kv_heads), j);
                    score(query.row(b, h, i), key, j, past)
                }));
            }
        }
    }
    scores
}

fn squared_distance(s: &[f64], h: &[f64]) -> f64 {
    s.iter().zip(h).map(|(s, h)| (s - h).powi(2)).sum()
}

/// Runs `score` on each device and compares it with `equation`, which is told the weights.
fn check_equation<S: Score + Module>(
    what: &str,
    d_key: usize,
    past: Option<&Sample>,
    init: impl Fn(&Device) -> S,
    equation: impl Fn(&[f64], &[f64], &[f64], usize, &[f64]) -> f64,
) {
    let [b, h, q] = QUERIES;
    let queries = if past.is_some() { 1 } else { q };
    let query = Sample::random([b, h, queries, D_QUERY], 1);
    let [_, g, k] = KEYS;
    let key = Sample::random([b, g, k, d_key], 2);
    for device in devices() {
        let score = init(&device);
        let weights = weights_of(&score, None);
        let past_of = past.map_or_else(Past::start, |sample| {
            let weights: Tensor<3> = sample.f32(&device).squeeze_dim(1);
            Past { steps: 1, weights: Some(weights.clone()), coverage: Some(weights), carry: None }
        });
        let key_of = score.project_keys(key.f32(&device));
        let found = score.score_after(query.f32(&device), key_of, &past_of);
        assert_eq!(found.dims(), [b, h, queries, k], "{what}");
        let expected =
            of_pairs(&query, &key, past, |s, h, j, past| equation(&weights, s, h, j, past));
        // Sums of at most 9 + 8 products of numbers below 2, good to half an epsilon of their
        // magnitudes each, inside another sum of 8.
        assert_close(what, &values(&found), &expected, 1e-5);
    }
}

/// `w · tanh(W s + V h_j + U (F * α)_j + b)`, plainly, from weights in the order of the fields.
fn location_aware_equation(weights: &[f64], s: &[f64], h: &[f64], j: usize, alpha: &[f64]) -> f64 {
    let (w_query, rest) = weights.split_at(D_QUERY * D_HIDDEN);
    let (bias, rest) = rest.split_at(D_HIDDEN);
    let (w_key, rest) = rest.split_at(D_KEY * D_HIDDEN);
    let (filters, rest) = rest.split_at(FILTERS * KERNEL);
    let (w_location, energy) = rest.split_at(FILTERS * D_HIDDEN);
    let f: Vec<f64> = (0..FILTERS)
        .map(|filter| {
            (0..KERNEL)
                .filter_map(|r| {
                    let at = (j + r).checked_sub(KERNEL / 2)?;
                    Some(filters[filter * KERNEL + r] * alpha.get(at)?)
                })
                .sum()
        })
        .collect();
    (0..D_HIDDEN)
        .map(|to| {
            let hidden = project(s, w_query, D_HIDDEN, to)
                + project(h, w_key, D_HIDDEN, to)
                + project(&f, w_location, D_HIDDEN, to)
                + bias[to];
            energy[to] * hidden.tanh()
        })
        .sum()
}

/// `v · tanh(W_h h_j + W_s s + w_c c_j + b)`
fn coverage_equation(weights: &[f64], s: &[f64], h: &[f64], j: usize, covered: &[f64]) -> f64 {
    let (w_query, rest) = weights.split_at(D_QUERY * D_HIDDEN);
    let (bias, rest) = rest.split_at(D_HIDDEN);
    let (w_key, rest) = rest.split_at(D_KEY * D_HIDDEN);
    let (w_coverage, energy) = rest.split_at(D_HIDDEN);
    (0..D_HIDDEN)
        .map(|to| {
            let hidden = project(s, w_query, D_HIDDEN, to)
                + project(h, w_key, D_HIDDEN, to)
                + w_coverage[to] * covered[j]
                + bias[to];
            energy[to] * hidden.tanh()
        })
        .sum()
}

/// Weights of steps before: `[batch, 1, heads, keys]`.
fn past_weights() -> Sample {
    let mut past = Sample::random([QUERIES[0], 1, QUERIES[1], KEYS[2]], 3);
    past.data.iter_mut().for_each(|x| *x = x.abs());
    past
}

#[test]
fn location_is_its_equation() {
    let init = |device: &Device| LocationConfig::new(D_QUERY, 11).init(device);
    check_equation("location", D_KEY, None, init, |w, s, _, j, _| project(s, w, 11, j));
}

#[test]
fn location_does_not_look_at_keys() {
    let device = Device::flex();
    let score = LocationConfig::new(D_QUERY, 11).init(&device);
    let query = Sample::random([1, 2, 3, D_QUERY], 1).f32(&device);
    let ask =
        |seed| values(&score.score(query.clone(), Sample::random([1, 2, 5, 8], seed).f32(&device)));
    assert_eq!(ask(1), ask(2));
}

#[test]
fn location_aware_is_its_equation() {
    for convolved in [Convolved::Last, Convolved::Cumulative] {
        let config = location_aware(convolved);
        for past in [None, Some(past_weights())] {
            let init = |device: &Device| config.init(device);
            check_equation("location-aware", D_KEY, past.as_ref(), init, location_aware_equation);
        }
    }
}

/// What it adds to the additive score is where the weights were, and only near there.
#[test]
fn location_aware_looks_as_far_as_its_kernel() {
    for device in devices() {
        let score = location_aware(Convolved::Last).init(&device);
        let query = Sample::random([1, 1, 1, D_QUERY], 1).f32(&device);
        let key = score.project_keys(Sample::random([1, 1, 9, D_KEY], 2).f32(&device));
        let first = values(&score.score(query.clone(), key.clone()));
        let weights = Sample::from_fn([1, 1, 1, 9], |j| if j == 1 { 1.0 } else { 0.0 });
        let weights = Some(weights.f32(&device).squeeze_dim(1));
        let past = Past { steps: 1, weights, ..Past::start() };
        let next = values(&score.score_after(query, key, &past));
        for (j, (first, next)) in first.iter().zip(&next).enumerate() {
            // Beyond, only a feature of 0 is added.
            assert_eq!(j > 1 + KERNEL / 2, (first - next).abs() < 1e-6, "key {j}");
        }
    }
}

#[test]
fn coverage_is_its_equation() {
    let config = CoverageConfig::new(D_QUERY, D_KEY, D_HIDDEN);
    for past in [None, Some(past_weights())] {
        let init = |device: &Device| config.init(device);
        check_equation("coverage", D_KEY, past.as_ref(), init, coverage_equation);
    }
}

#[test]
fn l2_is_its_equation() {
    let init = |device: &Device| L2Config::new().init(device);
    check_equation("l2", D_QUERY, None, init, |_, s, h, _, _| {
        -squared_distance(s, h) / (D_QUERY as f64).sqrt()
    });
}

#[test]
fn gaussian_is_its_equation() {
    for learned in [false, true] {
        let config = GaussianConfig::new().with_bandwidth(0.8).with_learned(learned);
        let init = |device: &Device| config.init(device);
        check_equation("gaussian", D_QUERY, None, init, |_, s, h, _, _| {
            -squared_distance(s, h) / (2.0 * 0.8 * 0.8)
        });
    }
}

/// Far from 0, `|s|² - 2 s · h + |h|²` of neighbours is nothing but rounding errors.
#[test]
fn a_distance_is_never_negative_and_that_of_neighbours_is_exact() {
    for device in devices() {
        for score in [
            ScoreConfig::L2(L2Config::new()),
            ScoreConfig::Gaussian(GaussianConfig::new()),
            ScoreConfig::Gaussian(GaussianConfig::new().with_learned(true)),
        ] {
            let score = score.init(&device);
            let base = Sample::random([1, 1, 5, D_QUERY], 4).scaled(1e4);
            let moved = Sample::from_fn(base.dims, |n| f64::from((base.data[n] + 0.5) as f32));
            let same = values(&score.score(base.f32(&device), base.f32(&device)));
            let near = values(&score.score(base.f32(&device), moved.f32(&device)));
            for i in 0..5 {
                assert_eq!(same[i * 5 + i], 0.0);
                // Four squares of what f32 makes of a half at 1e4, exact but for 1e-3; times 1/2.
                assert!((near[i * 5 + i] + 0.5).abs() < 0.01, "{}", near[i * 5 + i]);
            }
            assert!(same.iter().chain(&near).all(|&score| score <= 0.0));
        }
    }
}

/// `σ² = sqrt(d) / 2` makes one of the other.
#[test]
fn l2_is_a_gaussian_of_one_bandwidth() {
    let device = Device::flex();
    let bandwidth = (D_QUERY as f64).powf(0.25) / 2.0_f64.sqrt();
    let gaussian = GaussianConfig::new().with_bandwidth(bandwidth).init(&device);
    let [query, key] =
        [[1, 2, 3, D_QUERY], [1, 2, 5, D_QUERY]].map(|dims| Sample::random(dims, 5).f32(&device));
    let l2 = L2Config::new().init(&device).score(query.clone(), key.clone());
    // The same distances, times factors that agree but for a rounding.
    assert_close("l2", &values(&gaussian.score(query, key)), &values(&l2), 1e-6);
}

/// Also through the weights of the steps before, in those that look back.
#[test]
fn they_have_their_gradients() {
    for (name, score) in family(5) {
        let config = AttentionConfig::new().with_score(score);
        check_module_gradients(
            name,
            |device| config.init(device),
            &[Sample::random([1, 4, 3, 5], 6), Sample::random([1, 2, 6, 5], 7)],
            // Numbers near 1; the differences are off by step² = 1e-10 times a third derivative.
            1e-7,
            |attention, inputs| {
                let [query, key] = [0, 1].map(|n| inputs[n].clone());
                let memory = attention.project_memory(key.clone(), key);
                let mut past = Past::start();
                attention.cross_attend(query, &memory, &Mask::causal(), &mut past).context
            },
        );
    }
}

#[test]
fn attention_with_them_keeps_the_law() {
    for (name, score) in family(8) {
        let config = AttentionConfig::new().with_score(score);
        check_law_of_mechanism(name, |device| config.init(device), &masks());
    }
}

/// The state is all in the past: whole, in chunks or one query at a time.
#[test]
fn step_by_step_equals_whole() {
    let mask = Mask::padding([6, 4]);
    for device in devices() {
        for (name, score) in family(5) {
            let attention = AttentionConfig::new().with_score(score).init(&device);
            let query = Sample::random([2, 4, 5, 5], 8).f32(&device);
            let key = Sample::random([2, 2, 6, 5], 9).f32(&device);
            let whole = read(&attention, &query, &key, &mask, &[5]);
            for parts in [vec![1; 5], vec![2, 3]] {
                let found = read(&attention, &query, &key, &mask, &parts);
                // The same operations, but for the order of sums in a product of other size.
                assert_close(name, &found, &whole, 1e-6);
            }
        }
    }
}

fn read(
    attention: &Attention,
    query: &Tensor<4>,
    key: &Tensor<4>,
    mask: &Mask,
    parts: &[usize],
) -> Vec<f64> {
    let memory = attention.project_memory(key.clone(), key.clone());
    let (mut past, mut first) = (Past::start(), 0);
    let contexts = parts.iter().map(|&queries| {
        let part = query.clone().slice_dim(2, first..first + queries);
        first += queries;
        attention.cross_attend(part, &memory, mask, &mut past).context
    });
    let whole = values(&Tensor::cat(contexts.collect(), 2));
    assert_eq!(past.steps, 5);
    whole
}

/// A beam search that reorders its rows reorders what they remember.
#[test]
fn rows_may_be_reordered_between_steps() {
    for device in devices() {
        for (name, score) in family(5) {
            let attention = AttentionConfig::new().with_score(score).init(&device);
            let [first, second] =
                [10, 11].map(|seed| Sample::random([2, 4, 1, 5], seed).f32(&device));
            let key = Sample::random([2, 2, 6, 5], 12).f32(&device);
            let rows = Tensor::from_data([1, 0], &device);
            let run = |swap: bool| {
                let memory = attention.project_memory(key.clone(), key.clone());
                let mut past = Past::start();
                attention.cross_attend(first.clone(), &memory, &Mask::open(), &mut past);
                let mut query = second.clone();
                let mut memory = memory;
                if swap {
                    memory = memory.select_rows(&rows);
                    past = past.select_rows(&rows);
                    query = query.select(0, rows.clone());
                }
                let context =
                    attention.cross_attend(query, &memory, &Mask::open(), &mut past).context;
                values(&if swap { context.select(0, rows.clone()) } else { context })
            };
            // The same sums, row by row.
            assert_close(name, &run(true), &run(false), 1e-6);
        }
    }
}

/// Its square or its inverse would be 0 or infinite in f32, and 0 times that no number.
#[test]
fn factors_that_f32_does_not_hold_are_refused() {
    for factor in ["1e-50", "1e-19", "0", "-1", "1e19", "1e300"] {
        for text in [
            format!(r#"{{ "name": "gaussian", "bandwidth": {factor} }}"#),
            format!(r#"{{ "name": "cosine", "temperature": {factor} }}"#),
            format!(r#"{{ "name": "scaled_dot", "scale": {factor} }}"#),
        ] {
            let config: ScoreConfig = serde_json::from_str(&text).unwrap();
            let error = config.validate().unwrap_err();
            assert!(matches!(error, ScoreError::Factor { .. }), "{text}: {error}");
        }
    }
    // What is let through gives numbers.
    for device in devices() {
        let query = Sample::random([1, 1, 3, D_QUERY], 13).f32(&device);
        for factor in [1e-18, 1e18] {
            for learned in [false, true] {
                let config = GaussianConfig::new().with_bandwidth(factor).with_learned(learned);
                let scores = config.init(&device).score(query.clone(), query.clone());
                assert!(values(&scores).iter().all(|x| x.is_finite()), "{config:?}");
            }
        }
    }
}
