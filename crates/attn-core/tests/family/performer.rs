//! Performer attention.

use super::reference::{Pair, as_matrix, attention, dot, few_inputs, inputs, step_by_step};
use super::support::{
    Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, masks, values,
};
use attn_core::mechanism::{LinearState, Mechanism, MechanismConfig, Performer, PerformerConfig};
use attn_core::{AttendOptions, Mask, Stepwise, attend};
use burn::tensor::Device;

fn config() -> PerformerConfig {
    PerformerConfig::new(8, 13).with_seed(5).with_chunk(4)
}

/// `Ω`, `[features][d]`, read from the features of unit vectors: their exponents are
/// `Ω x - |x|² / 2` with `|x|²` the same for all of them.
fn omega(config: &PerformerConfig) -> Vec<Vec<f64>> {
    // The features of x = t e_c relative to those of x = 0 are exp(t ω_c - ..), in each feature.
    use attn_core::mechanism::FeatureMap;
    let device = Device::flex();
    let d = config.d_head;
    let performer = config.init(&device);
    let t = (d as f64).powf(0.25);
    let units = Sample::from_fn([1, 1, d, d], |n| if n / d == n % d { t } else { 0.0 });
    let features = performer.of_keys(units.f64(&device));
    let (values, scale) = (values(&features.values), values(&features.log_scale.unwrap()));
    (0..config.features)
        .map(|m| (0..d).map(|c| values[c * config.features + m].ln() + scale[c] + 0.5).collect())
        .collect()
}

fn phi(omega: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let x: Vec<f64> = x.iter().map(|c| c / (x.len() as f64).powf(0.25)).collect();
    let scale = (omega.len() as f64).sqrt();
    omega.iter().map(|row| (dot(row, &x) - dot(&x, &x) / 2.0).exp() / scale).collect()
}

#[test]
fn it_is_its_equation_in_each_form() {
    let omega = omega(&config());
    for (queries, keys) in [(13, 6), (5, 14), (11, 11)] {
        let [query, key, value] = inputs(queries, keys, 8, 1).map(|sample| sample.scaled(2.0));
        for mask in [
            Mask::open(),
            Mask::padding([4, 0]),
            Mask::causal(),
            Mask::causal() & Mask::left_padding([1, 3]) & Mask::padding([6]),
            Mask::window(Some(2), Some(0)),
        ] {
            let weight = |pair: Pair| dot(&phi(&omega, pair.query), &phi(&omega, pair.key));
            let expected = attention([&query, &key, &value], &mask, true, weight);
            for device in devices() {
                let performer = config().init(&device);
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                let found = performer.forward(q, k, v, &mask);
                // Exponents below 16, so exponentials good to 16 roundings of 6e-8; and a weighted
                // average of numbers below 2.
                let what = format!("{mask:?}, {queries} × {keys}, {device:?}");
                assert_close(&what, &values(&found), &expected, 1e-5);
            }
        }
    }
}

#[test]
fn chunks_steps_and_the_matrix_of_weights_agree() {
    let samples = inputs(11, 11, 8, 2).map(|sample| sample.scaled(3.0));
    for device in devices() {
        let performer = config().init(&device);
        let tensors = samples.each_ref().map(|sample| sample.f32(&device));
        let [q, k, v] = tensors.clone();
        let chunked = values(&performer.forward(q, k, v, &Mask::causal()));
        let [q, k, v] = tensors.clone();
        let matrix = as_matrix(&Mask::causal(), [2, 4, 11, 11]);
        assert_close("matrix", &values(&performer.forward(q, k, v, &matrix)), &chunked, 1e-5);
        for sizes in [&[1; 11][..], &[3, 1, 7]] {
            let mut state = LinearState::default();
            let steps = step_by_step(&tensors, sizes, |[q, k, v]| {
                performer.step(&mut state, q, k, v, &Mask::causal())
            });
            assert_close("steps", &steps, &chunked, 1e-5);
        }
    }
}

/// Root of the mean squared distance from softmax attention over several draws; of vectors short
/// enough that few features are an estimate at all.
fn error(features: usize, orthogonal: bool) -> f64 {
    let device = Device::flex();
    let [query, key, value] = inputs(9, 17, 8, 3).map(|sample| sample.scaled(0.7).f32(&device));
    let exact = attend(
        query.clone(),
        key.clone(),
        value.clone(),
        &Mask::causal(),
        &AttendOptions::default(),
    );
    let draws = 24;
    let performer = PerformerConfig::new(8, features).with_orthogonal(orthogonal).init(&device);
    let of_draw = |seed| {
        let performer = performer.clone().redraw(seed);
        let found = performer.forward(query.clone(), key.clone(), value.clone(), &Mask::causal());
        (found - exact.clone()).square().mean().into_scalar::<f64>()
    };
    ((0..draws).map(of_draw).sum::<f64>() / f64::from(draws as u32)).sqrt()
}

#[test]
fn its_error_falls_with_the_root_of_the_number_of_features() {
    // Sixteen times the features, a quarter of the error; half as much again for chance.
    let [few, many] = [32, 512].map(|features| error(features, true));
    assert!(many < few / 4.0 * 1.5, "{few} with 32 features, {many} with 512");
    assert!(many > few / 4.0 / 1.5, "{few} with 32 features, {many} with 512");
}

#[test]
fn orthogonal_features_are_no_worse() {
    let [orthogonal, independent] = [true, false].map(|orthogonal| error(16, orthogonal));
    assert!(orthogonal < independent * 1.02, "{orthogonal} against {independent}");
}

#[test]
fn it_has_its_gradient() {
    let inputs = few_inputs(7, 5, 3, 6);
    for mask in [Mask::open(), Mask::causal() & Mask::padding([4]), Mask::window(Some(2), Some(1))]
    {
        let of_device = |device: &Device| PerformerConfig::new(3, 5).with_chunk(2).init(device);
        check_module_gradients(
            &format!("performer, {mask:?}"),
            of_device,
            &inputs,
            // Exponentials of numbers of a few units: differences err by some 1e-9.
            1e-7,
            |performer: &Performer, x| {
                performer.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask)
            },
        );
    }
}

#[test]
fn it_keeps_the_law() {
    check_law_of_mechanism("performer", |device| config().init(device), &masks());
}

#[test]
fn long_vectors_neither_overflow_nor_vanish() {
    // Exponents of thousands. The first query sees the first key alone, however small its features
    // are beside those of the others.
    for scale in [0.0, 1.0, 30.0, 200.0] {
        let samples = inputs(9, 9, 8, 8);
        for device in devices() {
            let device = device.autodiff();
            let [query, key, value] = samples.clone();
            let query = query.f32(&device).require_grad();
            let key = key.scaled(scale).f32(&device).require_grad();
            let performer = config().init(&device);
            for mask in [Mask::causal(), as_matrix(&Mask::causal(), [2, 4, 9, 9])] {
                let v = value.f32(&device);
                let found = performer.forward(query.clone(), key.clone(), v, &mask);
                for (h, row) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
                    let first = values(&found.clone().slice_dim(2, 0..1));
                    let what = format!("first of head {h} at scale {scale}");
                    assert_close(&what, &first[h * 3..][..3], value.row(0, row, 0), 1e-5);
                }
                let gradients = found.sum().backward();
                for leaf in [&query, &key] {
                    let gradient = values(&leaf.grad(&gradients).unwrap());
                    assert!(gradient.iter().all(|x| x.is_finite()), "gradient at scale {scale}");
                }
            }
        }
    }
}

#[test]
fn the_seed_decides_the_features() {
    let device = Device::flex();
    let [query, key, value] = inputs(5, 9, 8, 9).map(|sample| sample.f32(&device));
    let answer = |performer: &Performer| {
        values(&performer.forward(query.clone(), key.clone(), value.clone(), &Mask::open()))
    };
    let first = config().init(&device);
    let other = first.clone().redraw(6);
    assert_ne!(answer(&first), answer(&other));
    assert_eq!(answer(&other), answer(&config().with_seed(6).init(&device)));
}

#[test]
fn a_file_names_it() {
    let text = r#"{ "name": "performer", "d_head": 8, "features": 13, "seed": 5, "chunk": 4 }"#;
    let found: MechanismConfig = serde_json::from_str(text).unwrap();
    assert_eq!(found, MechanismConfig::Performer(config()));
}
