//! Regression bench of [`attn_core::attend`]: forward, and forward with backward, for a few settings.
//!
//! `cargo bench -p attn-benches --bench attention`

use attn_benches::attention::ours::Attention;
use attn_benches::attention::setting::{Pass, Setting, settings};
use attn_benches::device::{self, NamedDevice};
use criterion::{BenchmarkId, Criterion, Throughput};

/// One layer of the model of `training_step`, and some rows of the table of the bin `attention`: one
/// for each part of the kernel.
fn chosen() -> Vec<Setting> {
    let names = [
        "forward full b1 n1024",
        "forward+backward causal b1 n1024",
        "forward+backward causal b1 n1024 dropout 0.1",
        "forward+backward documents 512 b1 n4096",
        "forward full b8 q1 on 2048",
        "forward causal b8 q16 on 2048",
    ];
    let rows = settings();
    let row =
        |name| rows.iter().find(|row| row.name() == name).expect("a row of the table").clone();
    let causal = row("forward+backward causal b1 n1024");
    let step =
        |pass| Setting { pass, batch: 16, heads: 4, queries: 128, keys: 128, ..causal.clone() };
    let steps = [Pass::Forward, Pass::Train].map(step);
    steps.into_iter().chain(names.map(row)).collect()
}

fn bench(criterion: &mut Criterion) {
    let NamedDevice { name, device } = device::default();
    let sync = || device.sync().expect("the device runs");

    let mut group = criterion.benchmark_group(format!("attend/{name}"));
    for setting in chosen() {
        let attention = Attention::new(&setting, &device);
        group.throughput(Throughput::Elements(setting.flops() as u64));
        group.bench_function(BenchmarkId::from_parameter(setting.name()), |bencher| match setting
            .pass
        {
            Pass::Forward => bencher.iter(|| {
                let output = attention.output();
                sync();
                output
            }),
            Pass::Train => bencher.iter(|| {
                let gradients = attention.output().backward();
                sync();
                gradients
            }),
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
