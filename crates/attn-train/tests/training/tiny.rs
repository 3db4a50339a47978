//! A module of a user's own, with dropout, and data for it.

use attn_core::{Dropout, DropoutConfig};
use attn_train::loss::LossSum;
use attn_train::{AdamWConfig, Progress, Schedule, StopSignal, Trainer, TrainerConfig};
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Width of the input.
pub const INPUT: usize = 3;

#[derive(Module, Debug)]
pub struct Tiny {
    pub hidden: Linear,
    pub norm: LayerNorm,
    pub dropout: Dropout,
    pub output: Linear,
}

impl Tiny {
    pub fn new(hidden: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(INPUT, hidden).init(device),
            norm: LayerNormConfig::new(hidden).init(device),
            dropout: DropoutConfig::new(0.25).init(),
            output: LinearConfig::new(hidden, 2).init(device),
        }
    }

    pub fn without_dropout(self) -> Self {
        Self { dropout: DropoutConfig::new(0.0).init(), ..self }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let hidden = self.norm.forward(self.hidden.forward(input).tanh()); // [n, hidden]
        self.output.forward(self.dropout.forward(hidden)) // [n, 2]
    }
}

/// Rows of input and output.
#[derive(Debug, Clone)]
pub struct Rows {
    pub input: Vec<[f32; INPUT]>,
    pub output: Vec<[f32; 2]>,
}

impl Rows {
    /// Rows of a smooth function of random points.
    pub fn seeded(rows: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut point = || std::array::from_fn(|_| random.random_range(-1.0..1.0));
        let input: Vec<[f32; INPUT]> = (0..rows).map(|_| point()).collect();
        let output = input.iter().map(|[a, b, c]| [a * b + c, (a - c).sin()]).collect();
        Self { input, output }
    }

    pub fn joined(all: &[Rows]) -> Self {
        let input = all.iter().flat_map(|rows| rows.input.clone()).collect();
        let output = all.iter().flat_map(|rows| rows.output.clone()).collect();
        Self { input, output }
    }
}

/// Squared error, summed over rows.
pub fn squared_error(model: &Tiny, rows: &Rows, device: &Device) -> LossSum {
    let n = rows.input.len();
    let input = TensorData::new(rows.input.as_flattened().to_vec(), [n, INPUT]);
    let output = TensorData::new(rows.output.as_flattened().to_vec(), [n, 2]);
    let error = model.forward(Tensor::from_data(input, device)) - Tensor::from_data(output, device);
    LossSum { sum: error.square().sum(), tokens: n }
}

/// Five batches of unequal size.
pub fn train_data() -> Vec<Rows> {
    (0..5).map(|index| Rows::seeded(4 + index, index as u64)).collect()
}

pub fn valid_data() -> Vec<Rows> {
    vec![Rows::seeded(7, 100), Rows::seeded(3, 101)]
}

pub fn config() -> TrainerConfig {
    TrainerConfig {
        seed: 11,
        max_steps: Some(14),
        accumulate: 2,
        schedule: Schedule::InverseSquareRoot { peak: 0.05, warmup: 4 },
        adamw: AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() },
        clip_norm: Some(0.5),
        eval_every: 4,
        log_every: 3,
        ..TrainerConfig::default()
    }
}

pub type Loss = fn(&Tiny, &Rows, &Device) -> LossSum;

pub fn trainer(config: TrainerConfig, model: Tiny, device: &Device) -> Trainer<Tiny, Loss> {
    Trainer::new(config, model, squared_error as Loss, device)
        .unwrap()
        .with_progress(Progress::Hidden)
}

/// [`squared_error`] that gives the signal during its call number `calls`.
pub fn stopping_at(calls: usize, stop: StopSignal) -> impl Fn(&Tiny, &Rows, &Device) -> LossSum {
    let called = std::cell::Cell::new(0);
    move |model, rows, device| {
        called.set(called.get() + 1);
        if called.get() == calls {
            stop.stop();
        }
        squared_error(model, rows, device)
    }
}
