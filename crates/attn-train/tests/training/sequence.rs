//! The encoder–decoder on token pairs: from ids to a resumed run.

use attn_train::batch::{Blocks, PairBatch, TokenPair};
use attn_train::loss::{LossSum, cross_entropy};
use attn_train::tokenizer::PAD;
use attn_train::{
    AdamWConfig, Checkpoint, Objective, PairSource, Progress, Schedule, SequenceLoss, StopReason,
    Trainer, TrainerConfig, evaluate,
};
use attn_transformer::{
    BlockConfig, DecoderOnlyConfig, EncoderDecoder, EncoderDecoderConfig, Layout, Tying,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
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
    let smoothed = SequenceLoss::new(0.5);
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

/// Every gradient of a module, in order, in one line.
fn gradients<M: Module>(model: &M, loss: &LossSum) -> Vec<f32> {
    struct Of<'a>(&'a Gradients, Vec<f32>);
    impl ModuleVisitor for Of<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).expect("a gradient");
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }
    let of_sum = loss.sum.clone().backward();
    let mut of = Of(&of_sum, Vec::new());
    model.visit(&mut of);
    of.1
}

/// Two ways to the same numbers: with the logits of all positions, and never with them.
fn assert_same<M: Module>(model: &M, found: LossSum, whole: LossSum) {
    assert_eq!(found.tokens, whole.tokens);
    let value = |loss: &LossSum| loss.sum.clone().into_scalar::<f32>();
    let (one, other) = (value(&found), value(&whole));
    // Some 30 costs below 10, of logits of 16 terms.
    assert!((one - other).abs() <= 64.0 * f32::EPSILON * other, "{one} {other}");
    let (one, other) = (gradients(model, &found), gradients(model, &whole));
    assert_eq!(one.len(), other.len());
    let largest = other.iter().fold(0.0, |largest: f32, g| largest.max(g.abs()));
    // As far as a whole backward pass through two blocks carries roundings of the features'
    // gradient, see above.
    for (one, other) in one.iter().zip(&other) {
        assert!((one - other).abs() <= 1e3 * f32::EPSILON * largest, "{one} {other}");
    }
}

#[test]
fn the_loss_without_logits_is_the_loss_of_the_logits() {
    for device in devices() {
        for tying in [Tying::None, Tying::Target, Tying::All] {
            let block = BlockConfig { dropout: 0.0, ..BlockConfig::new(16, 2) };
            let (encoder_layers, decoder_layers) = (1, 1);
            let config = EncoderDecoderConfig::new(VOCAB, VOCAB, block.clone());
            let config = EncoderDecoderConfig { encoder_layers, decoder_layers, tying, ..config };
            let model = config.init(&device);
            let batch = PairBatch::from_pairs(&pairs(9, 5));
            let source = batch.source.tensor(&device);
            let logits =
                model.forward(source, &batch.source.mask(), batch.target_in.tensor(&device));
            let whole = cross_entropy(logits.flatten(0, 1), &batch.target_out.ids, 0.1, PAD);
            let loss = SequenceLoss::new(0.1);
            assert_same(&model, loss.loss(&model, &batch, &device), whole);

            let tied = tying != Tying::None;
            let config =
                DecoderOnlyConfig { layers: 1, tied, ..DecoderOnlyConfig::new(VOCAB, block) };
            let model = config.init(&device);
            let stream = (0..60).map(|at| 4 + at * at % 9).collect();
            let blocks = Blocks::new(stream, 7, 7);
            let batch = blocks.batch(&[0, 2, 3]);
            let logits = model.forward(batch.input.tensor(&device), &Layout::causal(), None);
            let whole = cross_entropy(logits.flatten(0, 1), &batch.target.ids, 0.1, PAD);
            assert_same(&model, loss.loss(&model, &batch, &device), whole);
        }
    }
}
