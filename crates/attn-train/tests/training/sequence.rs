//! The encoder–decoder on token pairs: from ids to a resumed run.

use attn_train::batch::{PairBatch, TokenPair};
use attn_train::{
    AdamWConfig, Checkpoint, PairSource, Progress, Schedule, SequenceLoss, StopReason, Trainer,
    TrainerConfig, evaluate,
};
use attn_transformer::{BlockConfig, EncoderDecoder, EncoderDecoderConfig};
use burn::module::Module;
use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{bits, devices, values};

/// Ids 4 to 12 are words; a target is its source backwards.
const VOCAB: usize = 13;

fn pairs(count: usize, seed: u64) -> Vec<TokenPair> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pair = || {
        let steps = random.random_range(1..5);
        let source: Vec<u32> = (0..steps).map(|_| random.random_range(4..VOCAB as u32)).collect();
        TokenPair { target: source.iter().rev().copied().collect(), source }
    };
    (0..count).map(|_| pair()).collect()
}

fn model(dropout: f64, device: &Device) -> EncoderDecoder {
    let block = BlockConfig { dropout, ..BlockConfig::new(16, 2) };
    let config = EncoderDecoderConfig {
        encoder_layers: 1,
        decoder_layers: 1,
        ..EncoderDecoderConfig::new(VOCAB, VOCAB, block)
    };
    config.init(device)
}

fn config(max_steps: usize) -> TrainerConfig {
    TrainerConfig {
        seed: 3,
        max_steps: Some(max_steps),
        batch_tokens: 40,
        accumulate: 2,
        schedule: Schedule::InverseSquareRoot { peak: 5e-3, warmup: 10 },
        eval_every: 4,
        ..TrainerConfig::default()
    }
}

fn trainer(
    steps: usize,
    model: EncoderDecoder,
    device: &Device,
) -> Trainer<EncoderDecoder, SequenceLoss> {
    let config = config(steps);
    let loss = config.sequence_loss();
    Trainer::new(config, model, loss, device).unwrap().with_progress(Progress::Hidden)
}

fn sources() -> (PairSource, PairSource) {
    let train = PairSource::new(pairs(60, 1), config(1).train_plan()).unwrap();
    let valid = PairSource::new(pairs(11, 2), config(1).valid_plan()).unwrap();
    (train, valid)
}

#[test]
fn a_resumed_run_of_an_encoder_decoder_is_the_uninterrupted_run_bit_by_bit() {
    for device in devices() {
        let start = model(0.1, &device);
        let (mut train, mut valid) = sources();
        let mut whole = trainer(9, start.clone(), &device);
        whole.fit(&mut train, &mut valid).unwrap();

        let run = tempfile::tempdir().unwrap();
        let mut first = trainer(5, start, &device).save_to(&run).unwrap();
        first.fit(&mut train, &mut valid).unwrap();
        let (mut train, mut valid) = sources();
        let mut second = trainer(9, model(0.1, &device), &device).resume_from(&run).unwrap();
        let outcome = second.fit(&mut train, &mut valid).unwrap();

        assert_eq!((outcome.reason, outcome.step), (StopReason::MaxSteps, 9));
        assert_eq!(bits(second.model()), bits(whole.model()));
    }
}

/// An untrained model gives each of 13 tokens about the same probability: ln 13 = 2.56 nats.
#[test]
fn training_lowers_the_validation_loss_and_the_best_model_is_kept() {
    let device = devices()[1].clone();
    let run = tempfile::tempdir().unwrap();
    let (mut train, mut valid) = sources();
    let mut trainer = trainer(60, model(0.1, &device), &device).save_to(&run).unwrap();
    let outcome = trainer.fit(&mut train, &mut valid).unwrap();
    let best = outcome.best.unwrap();
    assert!(best.loss < 2.2, "{best:?}");

    let plain = device.inner();
    let kept = Checkpoint::best(&run).unwrap().load_model(model(0.1, &plain)).unwrap();
    let again = evaluate(&kept.valid(), &config(1).sequence_loss(), &mut valid, &plain);
    // Label smoothing is for training alone.
    let smoothed = SequenceLoss { label_smoothing: 0.5 };
    let same = evaluate(&kept.valid(), &smoothed, &mut valid, &plain);
    assert_eq!(again.loss, best.loss);
    assert_eq!(same, again);
    assert_eq!(again.perplexity(), best.loss.exp());
}

/// Padding and label smoothing included: sentences of unequal length, one batch or several.
#[test]
fn accumulated_batches_make_the_step_of_one_batch_of_all_sentences() {
    // A smooth step, see `accumulate.rs`.
    let adamw = AdamWConfig { epsilon: 1.0, ..AdamWConfig::default() };
    let config = TrainerConfig { adamw, ..config(1) };
    let pairs = pairs(9, 5);
    let small: Vec<PairBatch> = pairs.chunks(2).map(PairBatch::from_pairs).collect();
    let large = [PairBatch::from_pairs(&pairs)];
    for device in devices() {
        let start = model(0.0, &device);
        let step = |batches: &[PairBatch]| {
            let loss = config.sequence_loss();
            let mut trainer = Trainer::new(config.clone(), start.clone(), loss, &device).unwrap();
            let report = trainer.step(batches).unwrap();
            (report, values(trainer.model()))
        };
        let (many, accumulated) = step(&small);
        let (one, at_once) = step(&large);
        assert_eq!(many.tokens, one.tokens);
        // A loss is a mean over some 30 tokens of sums over 13 words and 16 features through four
        // sub-layers; a relative error of 1000 eps allows each of those 1000 terms one rounding.
        let close =
            |a: f64, b: f64, scale: f64| (a - b).abs() < 1e3 * f64::from(f32::EPSILON) * scale;
        assert!(close(many.loss, one.loss, one.loss), "{many:?} {one:?}");
        assert!(
            close(many.gradient_norm, one.gradient_norm, one.gradient_norm),
            "{many:?} {one:?}"
        );
        // Clipped to a norm of 1, gradients move a parameter by at most the rate.
        for (a, b) in accumulated.iter().zip(&at_once) {
            assert!(
                close(f64::from(*a), f64::from(*b), one.learning_rate.max(b.abs().into())),
                "{a} {b}"
            );
        }
    }
}
