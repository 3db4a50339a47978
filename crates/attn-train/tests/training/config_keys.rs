//! Each key of each configuration changes a training, or its value is refused.

use crate::bits;
use attn_testing::{ConfigKeys, weights_by_name};
use attn_train::batch::{BatchPlan, BatchPlanConfig, Lengths, Overlong, TokenPair, limit_lengths};
use attn_train::{AdamWConfig, PairSource, Progress, Schedule, Trainer, TrainerConfig};
use attn_transformer::{BlockConfig, EncoderDecoder, EncoderDecoderConfig};
use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::fs;

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

fn model(device: &Device) -> EncoderDecoder {
    let block = BlockConfig { dropout: 0.0, ..BlockConfig::new(4, 2) };
    let config = EncoderDecoderConfig {
        encoder_layers: 1,
        decoder_layers: 1,
        ..EncoderDecoderConfig::new(VOCAB, VOCAB, block)
    };
    weights_by_name(config.init(device))
}

/// Twelve steps with three evaluations.
fn base() -> TrainerConfig {
    TrainerConfig {
        seed: 3,
        max_steps: Some(12),
        batch_tokens: 40,
        accumulate: 1,
        schedule: Schedule::InverseSquareRoot { peak: 0.05, warmup: 3 },
        adamw: AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() },
        clip_norm: Some(0.5),
        label_smoothing: 0.1,
        eval_every: 4,
        patience: None,
        log_every: 3,
        ..TrainerConfig::default()
    }
}

/// The weights that a training ends with, its log but for the clock, and which checkpoints it keeps.
fn train(config: &TrainerConfig) -> Result<Vec<f64>, String> {
    let device = Device::flex().autodiff();
    config.validate().map_err(|error| error.to_string())?;
    let source = |pairs, plan| PairSource::new(pairs, plan).map_err(|error| error.to_string());
    let mut train = source(pairs(30, 1), config.train_plan())?;
    let mut valid = source(pairs(5, 2), config.valid_plan())?;
    let run = tempfile::tempdir().expect("a folder");
    let loss = config.sequence_loss();
    let trainer = Trainer::new(config.clone(), model(&device), loss, &device);
    let trainer = trainer.and_then(|trainer| trainer.save_to(&run));
    let mut trainer = trainer.map_err(|error| error.to_string())?.with_progress(Progress::Hidden);
    trainer.fit(&mut train, &mut valid).map_err(|error| error.to_string())?;

    let mut found: Vec<f64> = bits(trainer.model()).into_iter().flatten().map(f64::from).collect();
    let log = fs::read_to_string(run.path().join("metrics.jsonl")).expect("a log");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        let fields = event.as_object().expect("an event").iter();
        let timeless = fields.filter(|(key, _)| !key.contains("second"));
        found.extend(timeless.filter_map(|(_, value)| value.as_f64()));
    }
    let checkpoints = fs::read_dir(run.path().join("checkpoints")).expect("checkpoints");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut steps: Vec<f64> = checkpoints
        .map(|entry| {
            name(entry).to_string_lossy().trim_start_matches("step-").parse().expect("a step")
        })
        .collect();
    steps.sort_by(f64::total_cmp);
    found.extend(steps);
    Ok(found)
}

#[test]
fn each_key_of_training_does_something() {
    // Rates that let the validation loss rise.
    let wild = json!({ "schedule": { "kind": "constant", "peak": 2.0 } });
    ConfigKeys::of(&base())
        .refused("version", [json!(0), json!(2)])
        .changes("seed", [json!(4)])
        .changes("max_steps", [json!(9), json!(13)])
        .refused("max_steps", [json!(0), json!(null)])
        .changes("max_epochs", [json!(1)])
        .refused("max_epochs", [json!(0)])
        // A minute that is over after the first step.
        .changes("max_minutes", [json!(1e-9)])
        .refused("max_minutes", [json!(0.0)])
        .changes("batch_tokens", [json!(30)])
        .refused("batch_tokens", [json!(0), json!(3)])
        .changes("accumulate", [json!(2)])
        .refused("accumulate", [json!(0)])
        .changes(
            "schedule",
            [
                json!({ "kind": "constant", "peak": 0.05, "warmup": 3 }),
                json!({ "kind": "noam", "factor": 0.5, "d_model": 4, "warmup": 3 }),
                json!({ "kind": "cosine", "peak": 0.05, "warmup": 3, "steps": 12 }),
            ],
        )
        .changes("schedule.peak", [json!(0.02)])
        .refused("schedule.peak", [json!(0.0)])
        .changes("schedule.warmup", [json!(5)])
        .refused("schedule.warmup", [json!(0)])
        .changes("adamw.beta_1", [json!(0.8)])
        .refused("adamw.beta_1", [json!(1.0)])
        .changes("adamw.beta_2", [json!(0.8)])
        .refused("adamw.beta_2", [json!(1.0)])
        .changes("adamw.epsilon", [json!(1e-3)])
        .refused("adamw.epsilon", [json!(0.0)])
        .changes("adamw.weight_decay", [json!(0.0), json!(0.5)])
        .refused("adamw.weight_decay", [json!(-0.5)])
        .changes("clip_norm", [json!(null), json!(0.1)])
        .refused("clip_norm", [json!(0.0)])
        .changes("label_smoothing", [json!(0.0), json!(0.3)])
        .refused("label_smoothing", [json!(1.0)])
        // A Transformer returns no attention weights in training; what they change for a model that
        // does is tested beside the objective.
        .refused("coverage_loss", [json!(1.0), json!(-1.0)])
        .refused(
            "attention_entropy",
            [
                json!({ "goal": "focus", "strength": 0.1 }),
                json!({ "goal": "spread", "strength": -1.0 }),
            ],
        )
        .changes("eval_every", [json!(3)])
        .refused("eval_every", [json!(0)])
        .changes_given(wild, "patience", [json!(1)])
        .refused("patience", [json!(0)])
        .changes("keep_last", [json!(1), json!(3)])
        .refused("keep_last", [json!(0)])
        .changes("log_every", [json!(2)])
        .refused("log_every", [json!(0)])
        .check(train);
}

#[test]
fn each_key_of_each_schedule_does_something() {
    let rates = |schedule: &Schedule| {
        schedule.validate().map_err(|error| error.to_string())?;
        Ok((1..30).map(|step| schedule.rate(step)).collect())
    };
    let table = |base: Value| {
        ConfigKeys::of(&serde_json::from_value::<Schedule>(base).expect("a schedule"))
            .refused("warmup", [json!(-1)])
            .changes("warmup", [json!(7)])
    };
    table(json!({ "kind": "constant", "peak": 0.5, "warmup": 4 }))
        .changes("peak", [json!(0.25)])
        .refused("peak", [json!(0.0)])
        .check(rates);
    table(json!({ "kind": "noam", "factor": 0.5, "d_model": 16, "warmup": 4 }))
        .changes("factor", [json!(0.25)])
        .refused("factor", [json!(0.0)])
        .changes("d_model", [json!(4)])
        .refused("d_model", [json!(0)])
        .check(rates);
    table(json!({ "kind": "inverse_square_root", "peak": 0.5, "warmup": 4 }))
        .changes("peak", [json!(0.25)])
        .refused("peak", [json!(0.0)])
        .check(rates);
    table(json!({ "kind": "cosine", "peak": 0.5, "floor": 0.125, "warmup": 4, "steps": 20 }))
        .changes("peak", [json!(0.25)])
        .refused("peak", [json!(0.0)])
        .changes("floor", [json!(0.0)])
        .refused("floor", [json!(0.75)])
        .changes("steps", [json!(16)])
        .refused("steps", [json!(4)])
        .check(rates);
}

#[test]
fn each_key_of_batching_does_something() {
    let pairs = || pairs(40, 1);
    let lengths: Vec<_> = pairs().iter().map(TokenPair::steps).collect();
    ConfigKeys::of(&BatchPlanConfig { tokens: 40, max_rows: None, seed: Some(1) })
        .changes("tokens", [json!(30)])
        .refused("tokens", [json!(3)])
        .changes("max_rows", [json!(2), json!(3)])
        .refused("max_rows", [json!(0)])
        .changes("seed", [json!(2), json!(null)])
        .check(|config| {
            let plan = BatchPlan::new(&lengths, config, 3).map_err(|error| error.to_string())?;
            let batch = |batch: &[usize]| {
                let examples = batch.iter().map(|&example| example as f64);
                examples.chain([-1.0]).collect::<Vec<_>>()
            };
            Ok(plan.iter().flat_map(batch).collect())
        });

    for overlong in [Overlong::Drop, Overlong::Truncate] {
        ConfigKeys::of(&Lengths { source: 3, target: 4 })
            .changes("source", [json!(2)])
            .changes("target", [json!(3)])
            .check(|&max| {
                let mut pairs = pairs();
                limit_lengths(&mut pairs, max, overlong).map_err(|error| error.to_string())?;
                let numbers = |pair: TokenPair| {
                    let side = |ids: Vec<u32>| ids.into_iter().map(f64::from).chain([-1.0]);
                    side(pair.source).chain(side(pair.target)).collect::<Vec<_>>()
                };
                Ok(pairs.into_iter().flat_map(numbers).collect())
            });
    }
}
