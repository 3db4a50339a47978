//! A whole training ends with the same bits whatever the number of threads, and whenever it runs.
//!
//! The threads are those of rayon's global pool, which is made once for a process: each training has
//! a process of its own, this very program asked for the one test that trains.

use attn_train::loss::{LossSum, cross_entropy};
use attn_train::{Progress, Schedule, Trainer, TrainerConfig};
use attn_transformer::{
    Activation, BlockConfig, DecoderOnly, DecoderOnlyConfig, Layout, PositionConfig,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::process::Command;
use std::{env, fs};

/// Where a training is to write its parameters.
const RESULT: &str = "ATTN_TRAIN_TEST_RESULT";

const STEPS: usize = 50;

/// Large enough that threads have a part in every linear map: a kernel leaves less than 2²⁰ operations
/// to one of them.
const VOCAB: usize = 120;
const WIDTH: usize = 64;
const ROWS: usize = 4;
const TOKENS: usize = 66;

/// The processors that tests run on, with autodiff.
#[allow(deprecated)] // `Device::ndarray` goes with burn 0.23
fn devices() -> [Device; 2] {
    [Device::ndarray().autodiff(), Device::flex().autodiff()]
}

fn model(device: &Device) -> DecoderOnly {
    let block = BlockConfig {
        activation: Activation::Gelu,
        dropout: 0.1,
        feed_forward_dropout: 0.1,
        ..BlockConfig::new(WIDTH, 2)
    }
    .with_attention_dropout(0.1);
    let config = DecoderOnlyConfig {
        layers: 1,
        positions: PositionConfig::Learned { max_len: TOKENS },
        ..DecoderOnlyConfig::new(VOCAB, block)
    };
    device.seed(7);
    config.init(device)
}

/// Tokens and their successors, row-major `[ROWS, TOKENS]`.
type Batch = [Vec<u32>; 2];

fn batches() -> Vec<Batch> {
    let mut random = StdRng::seed_from_u64(5);
    let mut draw = || (0..ROWS * TOKENS).map(|_| random.random_range(0..VOCAB as u32)).collect();
    (0..STEPS).map(|_| [draw(), draw()]).collect()
}

fn loss(model: &DecoderOnly, [ids, next]: &Batch, device: &Device) -> LossSum {
    let ids = Tensor::from_data(TensorData::new(ids.clone(), [ROWS, TOKENS]), device);
    let logits = model.forward(ids, &Layout::causal(), None); // [b, s, v]
    cross_entropy(logits.flatten(0, 1), next, 0.1, u32::MAX)
}

/// The losses and gradients' norms on the way, and every parameter after the last step, as bytes.
fn train(device: &Device) -> Vec<u8> {
    let config = TrainerConfig {
        seed: 3,
        schedule: Schedule::Constant { peak: 1e-3, warmup: 0 },
        clip_norm: Some(0.5),
        ..TrainerConfig::default()
    };
    let trainer = Trainer::new(config, model(device), loss, device).unwrap();
    let mut trainer = trainer.with_progress(Progress::Hidden);
    let mut bytes = Bytes(Vec::new());
    for batch in batches() {
        let report = trainer.step(&[batch]).unwrap();
        bytes.0.extend([report.loss, report.gradient_norm].into_iter().flat_map(f64::to_le_bytes));
    }
    trainer.model().visit(&mut bytes);
    bytes.0
}

struct Bytes(Vec<u8>);

impl ModuleVisitor for Bytes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data();
        self.0.extend(data.iter::<f32>().flat_map(f32::to_le_bytes));
    }
}

/// What [`trains_in_a_process_of_its_own`] writes with so many threads.
fn result(threads: usize, run: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(run.to_string());
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "trains_in_a_process_of_its_own", "--ignored", "--quiet"])
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env(RESULT, &file)
        .status()
        .unwrap();
    assert!(status.success(), "with {threads} threads: {status}");
    fs::read(&file).unwrap()
}

#[test]
#[ignore = "the other test starts it, with a number of threads"]
fn trains_in_a_process_of_its_own() {
    let Ok(file) = env::var(RESULT) else { return };
    let trained: Vec<u8> = devices().iter().flat_map(train).collect();
    fs::write(file, trained).unwrap();
}

#[test]
fn fifty_steps_end_with_the_same_bits_with_one_thread_and_twice_with_two() {
    let one = result(1, 0);
    // Two devices, each with two numbers for each step and four bytes for each parameter.
    let parameters = model(&devices()[1]).num_params();
    assert_eq!(one.len(), 2 * (2 * 8 * STEPS + 4 * parameters));
    for (threads, run) in [(2, 1), (2, 2)] {
        // Not `assert_eq`: it would print them.
        assert!(result(threads, run) == one, "run {run}, with {threads} threads");
    }
}
