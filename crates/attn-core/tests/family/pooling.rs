//! Attention pooling.

use super::support::{Sample, assert_close, check_module_gradients, devices, values, weights_of};
use attn_core::Mask;
use attn_core::pooling::{
    AttentionPooling, AttentionPoolingConfig, ContextPooling, ContextPoolingConfig, PooledHops,
    SelfAttentive, SelfAttentiveConfig,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

const BATCH: usize = 3;
const STEPS: usize = 7;
const WIDTH: usize = 5;
const HIDDEN: usize = 4;
const HOPS: usize = 2;
/// The last row is all padding.
const LENGTHS: [usize; BATCH] = [7, 4, 0];

/// Any of the poolings, as one of several hops.
trait Pooling: Module {
    const HOPS: usize;

    fn new(device: &Device) -> Self;

    fn pool(&self, x: Tensor<3>, mask: &Mask) -> PooledHops;

    /// The energies of one step, from the weights in the order of their fields.
    fn energies(weights: &[f64], x: &[f64]) -> Vec<f64>;
}

/// Element `to` of `x W`, with `W` `[x.len(), width]`.
fn project(x: &[f64], weights: &[f64], width: usize, to: usize) -> f64 {
    x.iter().enumerate().map(|(from, x)| x * weights[from * width + to]).sum()
}

impl Pooling for AttentionPooling {
    const HOPS: usize = 1;

    fn new(device: &Device) -> Self {
        AttentionPoolingConfig::new(WIDTH).init(device)
    }

    fn pool(&self, x: Tensor<3>, mask: &Mask) -> PooledHops {
        let pooled = self.forward(x, mask);
        let [vectors, weights] = [pooled.vector, pooled.weights].map(|t| t.unsqueeze_dim(1));
        PooledHops { vectors, weights }
    }

    fn energies(weights: &[f64], x: &[f64]) -> Vec<f64> {
        vec![(project(x, weights, 1, 0) + weights[WIDTH]).tanh()]
    }
}

impl Pooling for ContextPooling {
    const HOPS: usize = 1;

    fn new(device: &Device) -> Self {
        ContextPoolingConfig::new(WIDTH, HIDDEN).init(device)
    }

    fn pool(&self, x: Tensor<3>, mask: &Mask) -> PooledHops {
        let pooled = self.forward(x, mask);
        let [vectors, weights] = [pooled.vector, pooled.weights].map(|t| t.unsqueeze_dim(1));
        PooledHops { vectors, weights }
    }

    fn energies(weights: &[f64], x: &[f64]) -> Vec<f64> {
        let (w, rest) = weights.split_at(WIDTH * HIDDEN);
        let (bias, u) = rest.split_at(HIDDEN);
        let hidden = |to| (project(x, w, HIDDEN, to) + bias[to]).tanh();
        vec![(0..HIDDEN).map(|to| u[to] * hidden(to)).sum()]
    }
}

impl Pooling for SelfAttentive {
    const HOPS: usize = HOPS;

    fn new(device: &Device) -> Self {
        SelfAttentiveConfig::new(WIDTH, HIDDEN, HOPS).init(device)
    }

    fn pool(&self, x: Tensor<3>, mask: &Mask) -> PooledHops {
        self.forward(x, mask)
    }

    fn energies(weights: &[f64], x: &[f64]) -> Vec<f64> {
        let (w, rest) = weights.split_at(WIDTH * HIDDEN);
        let hidden: Vec<f64> = (0..HIDDEN).map(|to| project(x, w, HIDDEN, to).tanh()).collect();
        (0..HOPS).map(|hop| project(&hidden, rest, HOPS, hop)).collect()
    }
}

fn steps() -> Sample {
    Sample::random([1, BATCH, STEPS, WIDTH], 1).scaled(2.0)
}

fn tensor(sample: &Sample, device: &Device) -> Tensor<3> {
    sample.f32(device).squeeze_dim(0)
}

/// Vectors `[b, r, d]` and weights `[b, r, t]`, plainly.
fn reference<P: Pooling>(weights: &[f64], x: &Sample, lengths: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let [_, _, steps, width] = x.dims;
    let (mut vectors, mut shares) = (Vec::new(), Vec::new());
    for (b, &length) in lengths.iter().enumerate() {
        for hop in 0..P::HOPS {
            let exp = |t: usize| match t < length {
                true => P::energies(weights, x.row(0, b, t))[hop].exp(),
                false => 0.0,
            };
            let sum: f64 = (0..steps).map(exp).sum();
            let share = |t| if length > 0 { exp(t) / sum } else { 0.0 };
            shares.extend((0..steps).map(share));
            let average = |d: usize| (0..steps).map(|t| share(t) * x.row(0, b, t)[d]).sum::<f64>();
            vectors.extend((0..width).map(average));
        }
    }
    (vectors, shares)
}

fn check_pooling<P: Pooling>(what: &str) {
    for device in devices() {
        let pooling = P::new(&device);
        let weights = weights_of(&pooling, None);
        let x = steps();
        let found = pooling.pool(tensor(&x, &device), &Mask::padding(LENGTHS));
        assert_eq!(found.vectors.dims(), [BATCH, P::HOPS, WIDTH]);
        assert_eq!(found.weights.dims(), [BATCH, P::HOPS, STEPS]);
        let (vectors, shares) = reference::<P>(&weights, &x, &LENGTHS);
        // Sums of at most seven products of numbers below 2 inside another of four.
        assert_close(what, &values(&found.vectors), &vectors, 1e-5);
        assert_close(what, &values(&found.weights), &shares, 1e-5);
        let nothing = &values(&found.vectors)[2 * P::HOPS * WIDTH..];
        assert!(nothing.iter().all(|&x| x == 0.0), "{what}: a row of padding gives 0");

        // A padded row is the shorter sequence.
        let shorter = tensor(&x, &device).slice([1..2, 0..LENGTHS[1]]);
        let shorter = pooling.pool(shorter, &Mask::open());
        let row = found.vectors.clone().slice_dim(0, 1..2);
        assert_close(what, &values(&shorter.vectors), &values(&row), 1e-6);
    }

    // What padding holds does not matter, nor for any gradient.
    for device in devices() {
        let device = device.autodiff();
        let pooling = P::new(&device);
        let ask = |x: &Sample| {
            let leaf = x.f32(&device).require_grad();
            let pooled = pooling.pool(leaf.clone().squeeze_dim(0), &Mask::padding(LENGTHS));
            let upstream = Sample::random([1, BATCH, P::HOPS, WIDTH], 2);
            let loss = (pooled.vectors.clone() * tensor(&upstream, &device)).sum();
            let gradients = loss.backward();
            let of_steps = values(&leaf.grad(&gradients).unwrap());
            (values(&pooled.vectors), of_steps, weights_of(&pooling, Some(&gradients)))
        };
        let clean = steps();
        let mut poisoned = clean.clone();
        for (b, &length) in LENGTHS.iter().enumerate() {
            for t in length..STEPS {
                poisoned.data[(b * STEPS + t) * WIDTH + 1] = f64::NAN;
                poisoned.data[(b * STEPS + t) * WIDTH + 3] = f64::INFINITY;
            }
        }
        let (expected, found) = (ask(&clean), ask(&poisoned));
        for (found, expected) in
            [(&found.0, &expected.0), (&found.1, &expected.1), (&found.2, &expected.2)]
        {
            // Energies of padding are sums of other numbers, which nobody looks at.
            assert_close(what, found, expected, 1e-6);
        }
        for (b, &length) in LENGTHS.iter().enumerate() {
            let hidden = &found.1[(b * STEPS + length) * WIDTH..(b + 1) * STEPS * WIDTH];
            assert!(hidden.iter().all(|&x| x == 0.0), "{what}: gradient of padding");
        }

        // A step that is there and broken makes its row NaN, and no other.
        let mut broken = clean.clone();
        broken.data[WIDTH + 2] = f64::NAN;
        let found = ask(&broken).0;
        let (first, rest) = found.split_at(P::HOPS * WIDTH);
        assert!(first.iter().all(|x| x.is_nan()), "{what}: {first:?}");
        assert_close(what, rest, &expected.0[P::HOPS * WIDTH..], 1e-6);
    }

    check_module_gradients(
        what,
        P::new,
        &[steps()],
        // Numbers near 1; the differences are off by step² = 1e-10 times a third derivative.
        1e-7,
        |pooling, inputs| {
            let x = inputs[0].clone().squeeze_dim(0);
            pooling.pool(x, &Mask::padding(LENGTHS)).vectors.unsqueeze::<4>()
        },
    );
}

#[test]
fn attention_pooling_is_its_equation() {
    check_pooling::<AttentionPooling>("attention pooling");
}

#[test]
fn context_pooling_is_its_equation() {
    check_pooling::<ContextPooling>("context pooling");
}

#[test]
fn self_attentive_pooling_is_its_equation() {
    check_pooling::<SelfAttentive>("self-attentive pooling");
}

/// `|A Aᵀ - I|²_F`, plainly.
#[test]
fn the_penalty_is_its_equation() {
    let x = steps();
    for device in devices() {
        let pooling = SelfAttentive::new(&device);
        let (_, shares) = reference::<SelfAttentive>(&weights_of(&pooling, None), &x, &LENGTHS);
        let expected: Vec<f64> = shares
            .chunks(HOPS * STEPS)
            .map(|a| {
                let row = |hop: usize| &a[hop * STEPS..(hop + 1) * STEPS];
                let pairs = (0..HOPS).flat_map(|m| (0..HOPS).map(move |n| (m, n)));
                pairs
                    .map(|(m, n)| {
                        let dot: f64 = row(m).iter().zip(row(n)).map(|(x, y)| x * y).sum();
                        (dot - if m == n { 1.0 } else { 0.0 }).powi(2)
                    })
                    .sum()
            })
            .collect();
        let pooled = pooling.forward(tensor(&x, &device), &Mask::padding(LENGTHS));
        assert_close("penalty", &values(&pooled.penalty()), &expected, 1e-5);
        assert_eq!(expected[2], HOPS as f64);
    }
    // As of the vectors: squares of sums of products of weights.
    check_module_gradients("penalty", SelfAttentive::new, &[steps()], 1e-7, |pooling, inputs| {
        let x = inputs[0].clone().squeeze_dim(0);
        pooling.forward(x, &Mask::padding(LENGTHS)).penalty().unsqueeze::<4>()
    });
}

#[test]
fn hops_that_look_at_one_step_each_have_no_penalty() {
    for device in devices() {
        let weights = Tensor::<3>::from_data([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]], &device);
        let pooled = PooledHops { vectors: weights.clone(), weights };
        assert_eq!(values(&pooled.penalty()), [0.0]);
    }
}
