//! One mechanism: trained, tested, drawn.

use super::Args;
use super::family::Member;
use super::model::{Answer, HEADS, Recaller};
use super::task::{QUESTIONS, Recalls, VALUES};
use attn_core::alignment::{AnyAlignment, Reinforce};
use attn_core::mechanism::AnyMechanism;
use attn_core::random::combine;
use attn_pipelines::Error;
use attn_train::loss::{LossSum, cross_entropy};
use attn_train::{AdamWConfig, Schedule, Trainer, TrainerConfig};
use attn_viz::AlignmentPicture;
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::cell::RefCell;
use std::time::Instant;

/// Memories of each length that the trained model is asked about.
const TESTED: usize = 256;
/// Items of the memory that is drawn.
const DRAWN: usize = 16;
/// `λ` of adaptive spans, per key.
const SPAN_PENALTY: f64 = 1e-4;

/// What became of a mechanism.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Part of the questions answered right, one for each length tested.
    pub accuracy: Vec<f64>,
    /// Median time of a training step.
    pub step_ms: f64,
}

/// Trains `member` and asks it about lengths that it was trained on and others.
///
/// # Errors
/// If the training fails or the picture cannot be written.
pub fn contest(member: &Member, args: &Args, device: &Device) -> Result<Outcome, Error> {
    let training = device.clone().autodiff();
    training.seed(args.seed);
    let model = Recaller::new(member, &training);
    let config = TrainerConfig {
        schedule: Schedule::Cosine {
            peak: 5e-3,
            floor: 1e-4,
            warmup: args.steps as usize / 20,
            steps: args.steps as usize,
        },
        adamw: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
        seed: args.seed,
        ..TrainerConfig::default()
    };
    let reinforce = RefCell::new(Reinforce::new(1.0, 0.01));
    let loss = |model: &Recaller, recalls: &Recalls, device: &Device| {
        loss(model, recalls, &mut reinforce.borrow_mut(), device)
    };
    let mut trainer = Trainer::new(config, model, loss, device)?;
    let mut times = Vec::with_capacity(args.steps as usize);
    for step in 0..args.steps {
        let items = args.train[step as usize % args.train.len()];
        let recalls = Recalls::draw(args.batch as usize, items, combine(args.seed, step));
        let start = Instant::now();
        trainer.step(std::slice::from_ref(&recalls))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let model = trainer.into_model().valid();
    let accuracy = args.test.iter().map(|&items| accuracy(&model, items, args, device));
    let accuracy = accuracy.collect();
    draw(&model, member, args, device)?;
    Ok(Outcome { accuracy, step_ms: times[times.len() / 2] })
}

/// Cross-entropy of the answers, and what a mechanism wants to be added to it.
fn loss(
    model: &Recaller,
    recalls: &Recalls,
    reinforce: &mut Reinforce,
    device: &Device,
) -> LossSum {
    let Answer { logits, draw } = model.forward(recalls, device);
    let [b, q, v] = logits.dims();
    let no_label = VALUES as u32; // the labels are below
    let flat = logits.clone().reshape([b * q, v]);
    let LossSum { sum, tokens } = cross_entropy(flat, &recalls.answers, 0.0, no_label);
    let more = match (&model.mechanism, draw) {
        (_, Some(draw)) => {
            let answers: Vec<i32> = recalls.answers.iter().map(|&answer| answer as i32).collect();
            let answers = Tensor::<3, Int>::from_data(TensorData::new(answers, [b, q, 1]), device);
            let log_likelihood = log_softmax(logits, 2).gather(2, answers); // [b, q, 1]
            let reward = log_likelihood.sum_dim(1).reshape([b]);
            Some(reinforce.loss(&[draw], reward))
        }
        (AnyMechanism::Attention(attention), None) => match &attention.alignment {
            AnyAlignment::AdaptiveSpan(spans) => Some(spans.penalty(SPAN_PENALTY)),
            _ => None,
        },
        _ => None,
    };
    let sum = match more {
        None => sum,
        Some(more) => sum + more * tokens as f64,
    };
    LossSum { sum, tokens }
}

/// Part of the questions about memories of `items` items that are answered right.
fn accuracy(model: &Recaller, items: usize, args: &Args, device: &Device) -> f64 {
    // Never a seed of a training step, which are below.
    let recalls = Recalls::draw(TESTED, items, combine(args.seed, u64::MAX - items as u64));
    let logits = model.forward(&recalls, device).logits;
    let found = logits.argmax(2).into_data();
    let right = found.iter::<i64>().zip(&recalls.answers);
    let right = right.filter(|(found, expected)| *found == i64::from(**expected)).count();
    right as f64 / (TESTED * QUESTIONS) as f64
}

/// Writes what the questions of one memory look at.
fn draw(model: &Recaller, member: &Member, args: &Args, device: &Device) -> Result<(), Error> {
    let recalls = Recalls::draw(1, DRAWN, combine(args.seed, u64::MAX));
    let weights = model.weights(&recalls, device);
    // Where a mechanism is no average, the picture shows magnitudes, the largest as 1.
    let weights: Vec<f32> = weights.into_data().iter::<f32>().map(f32::abs).collect();
    let largest = weights.iter().copied().fold(1.0, f32::max);
    let weights = weights.into_iter().map(|weight| weight / largest).collect();
    let picture =
        AlignmentPicture::new(HEADS, recalls.question_names(0), recalls.item_names(0), weights)?;
    let path = args.out.join(format!("{}.svg", member.name));
    picture.with_title(member.name).with_axes("question", "item").save(path)?;
    Ok(())
}
