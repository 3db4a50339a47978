//! Several small batches make the step of one large batch.

use attn_train::{AdamWConfig, StepReport, TrainerConfig};
use burn::optim::{self, GradientsParams};

use crate::tiny::{Rows, Tiny, config, squared_error, train_data, trainer};
use crate::{devices, values};

/// An epsilon of 1 makes the step `rate · g / (|g| + 1)`, whose slope in the gradient `g` is at
/// most the rate, so that errors of the gradient are not blown up where it is almost zero.
fn smooth() -> TrainerConfig {
    let adamw = AdamWConfig { epsilon: 1.0, ..AdamWConfig::default() };
    TrainerConfig { adamw, clip_norm: Some(0.5), ..config() }
}

fn step(batches: &[Rows], model: Tiny, device: &burn::tensor::Device) -> (StepReport, Vec<f32>) {
    let mut trainer = trainer(smooth(), model, device);
    let report = trainer.step(batches).unwrap();
    (report, values(trainer.model()))
}

/// Both sum the same 30 terms, each of magnitude below 10, in another order: their mean gradients
/// and losses differ by at most 30 · 10 · eps before they are divided by the 30 rows, here doubled
/// for the arithmetic of the step itself.
const TOLERANCE: f64 = 20.0 * f32::EPSILON as f64;

#[test]
fn batches_of_unequal_size_make_the_step_of_one_large_batch() {
    for device in devices() {
        let model = Tiny::new(5, &device).without_dropout();
        let small = train_data();
        let large = [Rows::joined(&small)];
        let (many, accumulated) = step(&small, model.clone(), &device);
        let (one, at_once) = step(&large, model.clone(), &device);

        assert_eq!(many.tokens, 30);
        assert_eq!(one.tokens, 30);
        assert!((many.loss - one.loss).abs() < TOLERANCE, "{many:?} {one:?}");
        assert!((many.gradient_norm - one.gradient_norm).abs() < TOLERANCE, "{many:?} {one:?}");
        for (a, b) in accumulated.iter().zip(&at_once) {
            assert!(f64::from((a - b).abs()) < TOLERANCE, "{a} {b}");
        }

        // The test could fail: the mean of the means of the batches is another step.
        let means: Vec<StepReport> = small
            .iter()
            .map(|rows| step(std::slice::from_ref(rows), model.clone(), &device).0)
            .collect();
        let mean = means.iter().map(|report| report.loss).sum::<f64>() / means.len() as f64;
        assert!((mean - one.loss).abs() > 100.0 * TOLERANCE);
    }
}

/// burn's own optimizer on the gradient of the mean loss, shortened by hand, is the reference. The
/// two differ in when they scale: two roundings of a gradient that is at most as long as the limit.
#[test]
fn a_step_follows_the_clipped_gradient_of_the_mean_loss() {
    for device in devices() {
        let start = Tiny::new(5, &device).without_dropout();
        let rows = Rows::seeded(6, 8);
        for limit in [None, Some(0.25)] {
            let config = TrainerConfig { clip_norm: limit, ..smooth() };
            let rate = config.schedule.rate(1);
            let AdamWConfig { beta_1, beta_2, epsilon, .. } = config.adamw;
            let adamw = AdamWConfig { weight_decay: 0.0, ..config.adamw };
            let mut ours = trainer(TrainerConfig { adamw, ..config }, start.clone(), &device);
            let norm = ours.step(std::slice::from_ref(&rows)).unwrap().gradient_norm;
            assert!(norm > 0.5, "the limit is to bind");

            let loss =
                squared_error(&start, &rows, &device).mean() * limit.map_or(1.0, |l| l / norm);
            let gradients = GradientsParams::from_grads(loss.backward(), &start);
            let theirs = optim::AdamWConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(0.0)
                .init()
                .step(rate, start.clone(), gradients);
            for (a, b) in values(ours.model()).iter().zip(values(&theirs)) {
                assert!((a - b).abs() <= 4.0 * f32::EPSILON * b.abs().max(1.0), "{a} {b}");
            }
            assert_ne!(values(&theirs), values(&start));
        }
    }
}

#[test]
#[should_panic(expected = "the mean loss of 0 tokens is undefined")]
fn a_step_needs_batches() {
    let device = &devices()[0];
    trainer(config(), Tiny::new(5, device), device).step(&[]).unwrap();
}
