//! Several small batches make the step of one large batch.

use attn_train::{AdamWConfig, StepReport, TrainerConfig};

use crate::tiny::{Rows, Tiny, config, train_data, trainer};
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

#[test]
#[should_panic(expected = "the mean loss of 0 tokens is undefined")]
fn a_step_needs_batches() {
    let device = &devices()[0];
    trainer(config(), Tiny::new(5, device), device).step(&[]).unwrap();
}
