//! Regression bench of [`attn_core::attend`]: forward, and forward with backward, for a few shapes.
//!
//! `cargo bench -p attn-benches --bench attention`

use attn_benches::device::{self, NamedDevice};
use attn_core::{AttendOptions, Mask, attend};
use burn::tensor::{Device, Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, Throughput};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What is attended: `[batch, heads, steps, head_dim]` queries, keys and values.
struct Shape {
    name: &'static str,
    dims: [usize; 4],
    mask: Mask,
}

fn shapes() -> [Shape; 4] {
    [
        // One layer of the model of `training_step`.
        Shape { name: "training step", dims: [16, 4, 128, 64], mask: Mask::causal() },
        Shape { name: "long, open", dims: [1, 8, 1024, 64], mask: Mask::open() },
        Shape { name: "long, causal", dims: [1, 8, 1024, 64], mask: Mask::causal() },
        Shape { name: "padded", dims: [4, 8, 256, 64], mask: Mask::padding([256, 192, 128, 64]) },
    ]
}

fn draw(dims: [usize; 4], seed: u64, device: &Device) -> Tensor<4> {
    let mut rng = StdRng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Queries, keys and values.
fn inputs(dims: [usize; 4], device: &Device) -> [Tensor<4>; 3] {
    [0, 1, 2].map(|seed| draw(dims, seed, device))
}

fn forward([query, key, value]: &[Tensor<4>; 3], mask: &Mask) -> Tensor<4> {
    attend(query.clone(), key.clone(), value.clone(), mask, &AttendOptions::default())
}

/// Products of two matrices `[steps, steps, head_dim]`: two forward, five more backward.
fn flops([batch, heads, steps, head_dim]: [usize; 4], products: usize) -> u64 {
    (2 * products * batch * heads * steps * steps * head_dim) as u64
}

fn bench(criterion: &mut Criterion) {
    let NamedDevice { name, device } = device::default();
    let sync = |device: &Device| device.sync().expect("the device runs");

    let mut group = criterion.benchmark_group(format!("attend/{name}"));
    for Shape { name, dims, mask } in &shapes() {
        let plain = inputs(*dims, &device);
        group.throughput(Throughput::Elements(flops(*dims, 2)));
        group.bench_function(BenchmarkId::new("forward", name), |bencher| {
            bencher.iter(|| {
                let context = forward(&plain, mask);
                sync(&device);
                context
            });
        });

        let tracked = inputs(*dims, &device.clone().autodiff()).map(Tensor::require_grad);
        group.throughput(Throughput::Elements(flops(*dims, 2 + 5)));
        group.bench_function(BenchmarkId::new("forward and backward", name), |bencher| {
            bencher.iter(|| {
                let gradients = forward(&tracked, mask).sum().backward();
                sync(&device);
                gradients
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
