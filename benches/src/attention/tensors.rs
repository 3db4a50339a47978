//! What the sides in burn have in common: their tensors, and the clock.

use super::contest::Repetition;
use super::setting::{Pass, Setting};
use crate::contest::SideError;
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Instant;

/// Queries, keys, values and bias of a setting. For a backward pass they are on an autodiff device,
/// and all of them are learned.
#[derive(Debug, Clone)]
pub struct Tensors {
    /// `[batch, heads, queries, width]`
    pub query: Tensor<4>,
    /// `[batch, heads, keys, width]`
    pub key: Tensor<4>,
    /// `[batch, heads, keys, width]`
    pub value: Tensor<4>,
    /// `[1, heads, queries, keys]`
    pub bias: Option<Tensor<4>>,
}

impl Tensors {
    /// Uniform in −1..1, always the same.
    pub fn draw(setting: &Setting, device: &Device) -> Self {
        let Setting { batch, heads, queries, keys, width, .. } = *setting;
        let draw = |seed, dims| match setting.pass {
            Pass::Forward => draw(seed, dims, device),
            Pass::Train => draw(seed, dims, &device.clone().autodiff()).require_grad(),
        };
        Self {
            query: draw(0, [batch, heads, queries, width]),
            key: draw(1, [batch, heads, keys, width]),
            value: draw(2, [batch, heads, keys, width]),
            bias: setting.bias.then(|| draw(3, [1, heads, queries, keys])),
        }
    }
}

/// Numbers uniform in −1..1.
pub fn uniform(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn draw(seed: u64, dims: [usize; 4], device: &Device) -> Tensor<4> {
    let values = uniform(seed, dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Times `attention`: its output, or with [`Pass::Train`] also the gradients that come of ones as the
/// output's gradient, which every side makes in that time. A loss on top would be measured with it.
///
/// What a repetition returns is freed before the next begins, and the clock does not run then.
pub fn timed<'a>(
    side: String,
    device: Device,
    pass: Pass,
    attention: impl Fn() -> Tensor<4> + 'a,
) -> Repetition<'a> {
    let sync = move || {
        device.sync().map_err(|error| SideError { side: side.clone(), reason: error.to_string() })
    };
    let once = move || {
        let start = Instant::now();
        let time = match pass {
            Pass::Forward => {
                let output = attention();
                sync()?;
                let time = start.elapsed();
                drop(output);
                time
            }
            Pass::Train => {
                let output = attention();
                let gradients = output.backward();
                sync()?;
                let time = start.elapsed();
                drop((output, gradients));
                time
            }
        };
        Ok(time.as_secs_f64())
    };
    Box::new(move |count| (0..count).map(|_| once()).collect())
}
