//! Every score is its equation, and has its gradient.
//!
//! The reference is the equation for one query and one key, in f64, and central differences of it.

use attn_core::score::{
    AdditiveConfig, ConcatConfig, CosineConfig, DotConfig, GeneralConfig, ScaledDotConfig, Score,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const D_QUERY: usize = 4;
const D_KEY: usize = 9;
const D_HIDDEN: usize = 8;

#[allow(deprecated)]
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// A score of one query and one key by the score's weights, row-major in the order of its fields.
type Equation = fn(weights: &[f64], s: &[f64], h: &[f64]) -> f64;

fn dot(s: &[f64], h: &[f64]) -> f64 {
    s.iter().zip(h).map(|(s, h)| s * h).sum()
}

/// Element `to` of `x W`, with `W` `[x.len(), width]`.
fn project(x: &[f64], weights: &[f64], width: usize, to: usize) -> f64 {
    x.iter().enumerate().map(|(from, x)| x * weights[from * width + to]).sum()
}

fn general(w: &[f64], s: &[f64], h: &[f64]) -> f64 {
    (0..D_QUERY).map(|to| s[to] * project(h, w, D_QUERY, to)).sum()
}

fn additive(weights: &[f64], s: &[f64], h: &[f64]) -> f64 {
    let (w, rest) = weights.split_at(D_QUERY * D_HIDDEN);
    let (u, v) = rest.split_at(D_KEY * D_HIDDEN);
    let hidden = |to| (project(s, w, D_HIDDEN, to) + project(h, u, D_HIDDEN, to)).tanh();
    (0..D_HIDDEN).map(|to| v[to] * hidden(to)).sum()
}

/// With the concatenation that the implementation avoids.
fn concat(weights: &[f64], s: &[f64], h: &[f64]) -> f64 {
    let (w, v) = weights.split_at((D_QUERY + D_KEY) * D_HIDDEN);
    let both = [s, h].concat();
    (0..D_HIDDEN).map(|to| v[to] * project(&both, w, D_HIDDEN, to).tanh()).sum()
}

fn cosine(_: &[f64], s: &[f64], h: &[f64]) -> f64 {
    dot(s, h) / (0.2 * dot(s, s).sqrt() * dot(h, h).sqrt())
}

#[test]
fn dot_is_its_equation() {
    check(|device| DotConfig::new().init(device), D_QUERY, |_, s, h| dot(s, h));
}

#[test]
fn scaled_dot_is_its_equation() {
    let paper = |device: &Device| ScaledDotConfig::new().init(device);
    check(paper, D_QUERY, |_, s, h| dot(s, h) / 2.0);
    let given = |device: &Device| ScaledDotConfig::new().with_scale(0.3).init(device);
    check(given, D_QUERY, |_, s, h| dot(s, h) * 0.3);
}

#[test]
fn general_is_its_equation() {
    check(|device| GeneralConfig::new(D_QUERY, D_KEY).init(device), D_KEY, general);
}

#[test]
fn additive_is_its_equation() {
    let score = |device: &Device| AdditiveConfig::new(D_QUERY, D_KEY, D_HIDDEN).init(device);
    check(score, D_KEY, additive);
}

#[test]
fn concat_is_its_equation() {
    let score = |device: &Device| ConcatConfig::new(D_QUERY, D_KEY, D_HIDDEN).init(device);
    check(score, D_KEY, concat);
}

#[test]
fn cosine_is_its_equation() {
    let score = |device: &Device| CosineConfig::new().with_temperature(0.2).init(device);
    check(score, D_QUERY, cosine);
}

/// A direction does not depend on the length, as long as f32 holds it.
#[test]
fn cosine_has_no_magnitude() {
    for device in devices() {
        let device = device.autodiff();
        let score = CosineConfig::new().init(&device);
        let [query, key] = [[1, 2, 3, 5], [1, 2, 7, 5]].map(|dims| random(dims, 7));
        let ask = |query: f64, key: f64, s: &Sample, h: &Sample| {
            let (s, h) = (s.tensor(&device) * query, h.tensor(&device) * key);
            values(&score.score(s, score.project_keys(h)).inner())
        };
        let expected = ask(1.0, 1.0, &query, &key);
        for (s, h) in [(1e30, 1e-20), (1e-28, 1e30)] {
            let found = ask(s, h, &query, &key);
            // Ten, from the temperature, times a handful of roundings of each of five products.
            assert_close(&found, &expected, 10.0 * 5.0 * 4.0 * f64::from(f32::EPSILON));
        }
    }
}

#[test]
fn cosine_of_a_zero_vector_is_zero_and_has_a_gradient() {
    for device in devices() {
        let device = device.autodiff();
        let score = CosineConfig::new().init(&device);
        let query = Tensor::<4>::zeros([1, 2, 3, 5], &device).require_grad();
        let key = random([1, 2, 7, 5], 3).tensor(&device);
        let scores = score.score(query.clone(), score.project_keys(key));
        assert!(values(&scores.clone().inner()).iter().all(|&score| score == 0.0));
        let gradient = query.grad(&scores.sum().backward()).unwrap();
        assert!(values(&gradient).iter().all(|gradient| gradient.is_finite()));
    }
}

/// Random numbers in `[-1, 1)` that f32 holds, with their dims.
#[derive(Clone)]
struct Sample {
    dims: [usize; 4],
    data: Vec<f64>,
}

fn random(dims: [usize; 4], seed: u64) -> Sample {
    let mut rng = StdRng::seed_from_u64(seed);
    let data = (0..dims.iter().product()).map(|_| rng.random_range(-1.0_f32..1.0).into()).collect();
    Sample { dims, data }
}

impl Sample {
    fn tensor(&self, device: &Device) -> Tensor<4> {
        let data: Vec<f32> = self.data.iter().map(|&x| x as f32).collect();
        Tensor::from_data(TensorData::new(data, self.dims), device)
    }

    /// The vector of a batch row, head and step.
    fn row(&self, b: usize, h: usize, i: usize) -> &[f64] {
        let [_, heads, steps, width] = self.dims;
        &self.data[((b * heads + h) * steps + i) * width..][..width]
    }
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().try_into_vec_as::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// The weights of a module, or their gradients, row-major in the order of its fields.
struct Weights<'a> {
    gradients: Option<&'a Gradients>,
    found: Vec<f64>,
}

impl<'a> Weights<'a> {
    fn of(module: &impl Module, gradients: Option<&'a Gradients>) -> Vec<f64> {
        let mut weights = Self { gradients, found: Vec::new() };
        module.visit(&mut weights);
        weights.found
    }
}

impl ModuleVisitor for Weights<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.extend(match self.gradients {
            None => values(&param.val().inner()),
            Some(gradients) => values(&param.val().grad(gradients).unwrap()),
        });
    }
}

/// All scores by the equation; query head `h` reads key head `h / group`.
fn reference(equation: Equation, weights: &[f64], query: &Sample, key: &Sample) -> Vec<f64> {
    let [batch, heads, queries, _] = query.dims;
    let [_, kv_heads, keys, _] = key.dims;
    let mut scores = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                let key = |j| key.row(b, h / (heads / kv_heads), j);
                scores.extend((0..keys).map(|j| equation(weights, query.row(b, h, i), key(j))));
            }
        }
    }
    scores
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance, "element {n} is {found}, not {expected} ± {tolerance:e}");
    }
}

#[track_caller]
fn check<S: Score + Module>(init: impl Fn(&Device) -> S, d_key: usize, equation: Equation) {
    for device in devices() {
        let device = device.autodiff();
        let score = init(&device);
        let weights = Weights::of(&score, None);

        // [b, h, q, d], [b, g, k, d]; then the weights behind queries and keys.
        let query = random([2, 6, 5, D_QUERY], 1);
        let key = random([2, 3, 7, d_key], 2);
        let ask = |query: Tensor<4>, key: Tensor<4>| score.score(query, score.project_keys(key));
        let found = ask(query.tensor(&device), key.tensor(&device));
        assert_eq!(found.dims(), [2, 6, 5, 7]);
        // Two sums inside each other, of at most 13 and 8 products of numbers below 1, and half an
        // epsilon of the sum of their magnitudes for each addition; cosine divides by 0.2.
        let epsilon = f64::from(f32::EPSILON);
        let tolerance = 0.5 * (13.0 + 8.0) * epsilon * 13.0 / 0.2;
        let expected = reference(equation, &weights, &query, &key);
        assert_close(&values(&found.inner()), &expected, tolerance);

        // Fewer pairs: the differences are taken for each number that goes in.
        let query = random([1, 6, 2, D_QUERY], 3);
        let key = random([1, 3, 5, d_key], 4);
        let pairs = 6 * 2 * 5;
        let upstream = random([1, 6, 2, 5], 5);
        let [s, h] = [&query, &key].map(|sample| sample.tensor(&device).require_grad());
        let gradients = (ask(s.clone(), h.clone()) * upstream.tensor(&device)).sum().backward();
        let mut found = values(&s.grad(&gradients).unwrap());
        found.extend(values(&h.grad(&gradients).unwrap()));
        found.extend(Weights::of(&score, Some(&gradients)));

        let numbers = [&query.data[..], &key.data, &weights].concat();
        let loss = |numbers: &[f64]| {
            let (s, rest) = numbers.split_at(query.data.len());
            let (h, weights) = rest.split_at(key.data.len());
            let s = Sample { data: s.to_vec(), ..query.clone() };
            let h = Sample { data: h.to_vec(), ..key.clone() };
            dot(&reference(equation, weights, &s, &h), &upstream.data)
        };
        let step = 1e-5;
        let difference = |n: usize| {
            let at = |by: f64| {
                let mut moved = numbers.clone();
                moved[n] += by;
                loss(&moved)
            };
            (at(step) - at(-step)) / (2.0 * step)
        };
        let expected: Vec<f64> = (0..numbers.len()).map(difference).collect();
        // A gradient is a sum over pairs, each term as precise as a score and, but for the cosine's
        // division, below 1. The differences are off by step² = 1e-10 times a third derivative.
        let tolerance = tolerance + 0.5 * f64::from(pairs) * epsilon * f64::from(pairs);
        assert_close(&found, &expected, tolerance);
    }
}
