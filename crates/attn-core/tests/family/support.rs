//! What the tests of the family share.

use attn_core::alignment::{Alignment, AlignmentConfig, Past, weigh};
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_core::{Mask, Mechanism};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, DType, Device, FloatDType, Gradients, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::ops::Range;

/// The devices on which forward passes are checked.
#[allow(deprecated)]
pub fn devices() -> Vec<Device> {
    vec![
        Device::ndarray(),
        Device::flex(),
        #[cfg(feature = "wgpu")]
        Device::wgpu(Default::default()),
    ]
}

/// Those that compute in f64, where gradients are checked.
#[allow(deprecated)]
pub fn precise_devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// Numbers that f32 holds, row-major, with their dims.
#[derive(Clone, Debug)]
pub struct Sample {
    pub dims: [usize; 4],
    pub data: Vec<f64>,
}

impl Sample {
    /// In `[-1, 1)`.
    pub fn random(dims: [usize; 4], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = dims.iter().product();
        let data = (0..count).map(|_| rng.random_range(-1.0_f32..1.0).into()).collect();
        Self { dims, data }
    }

    /// Each number times `factor`, rounded to f32.
    pub fn scaled(self, factor: f64) -> Self {
        let data = self.data.iter().map(|x| f64::from((x * factor) as f32)).collect();
        Self { data, ..self }
    }

    pub fn from_fn(dims: [usize; 4], f: impl FnMut(usize) -> f64) -> Self {
        Self { dims, data: (0..dims.iter().product()).map(f).collect() }
    }

    pub fn tensor(&self, device: &Device, dtype: DType) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.data.clone(), self.dims), (device, dtype))
    }

    pub fn f32(&self, device: &Device) -> Tensor<4> {
        self.tensor(device, DType::F32)
    }

    pub fn f64(&self, device: &Device) -> Tensor<4> {
        self.tensor(device, DType::F64)
    }

    /// The last axis at these indices of the first three.
    pub fn row(&self, b: usize, h: usize, i: usize) -> &[f64] {
        let [_, heads, rows, width] = self.dims;
        &self.data[((b * heads + h) * rows + i) * width..][..width]
    }

    /// The sample that `f` makes of each row of the last axis.
    pub fn map_rows(&self, f: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let width = self.dims[3].max(1);
        let data: Vec<f64> = self.data.chunks(width).flat_map(f).collect();
        let [b, h, n, _] = self.dims;
        Self { dims: [b, h, n, data.len() / (b * h * n)], data }
    }
}

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    let tensor = tensor.clone().detach();
    match tensor.dtype() {
        DType::F64 => tensor.into_data().try_into_vec::<f64>().unwrap(),
        _ => tensor.try_into_vec_as::<f32>().unwrap().into_iter().map(f64::from).collect(),
    }
}

/// Absolute for numbers below 1, relative above.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: another number of elements");
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            found == expected || error <= tolerance * expected.abs().max(1.0),
            "{what}: element {n} is {found}, not {expected} ± {tolerance:e}"
        );
    }
}

/// The module with its weights in f64.
pub fn in_f64<M: Module>(module: M) -> M {
    struct Widen;
    impl ModuleMapper for Widen {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor.detach().cast(FloatDType::F64).detach().require_grad())
        }
    }
    module.map(&mut Widen)
}

/// The module with weights in `[-1, 1)` that are the same in every run, so that none of them is at a
/// kink one time in a thousand.
pub fn with_weights<M: Module>(module: M, seed: u64) -> M {
    struct Fill(StdRng);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let (dims, options) = (tensor.dims(), (&tensor.device(), tensor.dtype()));
                let count = dims.iter().product();
                let data: Vec<f32> = (0..count).map(|_| self.0.random_range(-1.0..1.0)).collect();
                let filled = Tensor::from_data(TensorData::new(data, dims), options);
                if tensor.is_require_grad() { filled.require_grad() } else { filled }
            })
        }
    }
    module.map(&mut Fill(StdRng::seed_from_u64(seed)))
}

/// The weights of a module, or their gradients, row-major in the order of its fields.
pub fn weights_of(module: &impl Module, gradients: Option<&Gradients>) -> Vec<f64> {
    struct Read<'a> {
        gradients: Option<&'a Gradients>,
        found: Vec<f64>,
    }
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            self.found.extend(match self.gradients {
                None => values(&tensor),
                // A weight that the answer does not depend on has none.
                Some(gradients) => match tensor.grad(gradients) {
                    Some(gradient) => values(&gradient),
                    None => vec![0.0; tensor.shape().num_elements()],
                },
            });
        }
    }
    let mut read = Read { gradients, found: Vec::new() };
    module.visit(&mut read);
    read.found
}

/// The module with number `index` of its weights moved.
fn nudged<M: Module>(module: &M, index: usize, by: f64) -> M {
    struct Nudge {
        index: usize,
        seen: usize,
        by: f64,
    }
    impl ModuleMapper for Nudge {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let (dims, first) = (tensor.dims(), self.seen);
                self.seen += dims.iter().product::<usize>();
                if !(first..self.seen).contains(&self.index) {
                    return tensor;
                }
                let (device, dtype) = (tensor.device(), tensor.dtype());
                let mut data = values(&tensor);
                data[self.index - first] += self.by;
                Tensor::from_data(TensorData::new(data, dims), (&device, dtype))
            })
        }
    }
    module.clone().map(&mut Nudge { index, seen: 0, by })
}

/// Gradients of `f` in its inputs against central differences of `f` itself, both in f64, on every
/// device that has it. The loss is a random combination of what `f` returns.
#[track_caller]
pub fn check_gradients(
    what: &str,
    inputs: &[Sample],
    tolerance: f64,
    f: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    check_module_gradients(what, |_| Nothing, inputs, tolerance, |_, inputs| f(inputs));
}

/// A module without weights.
#[derive(Module, Debug)]
pub struct Nothing;

/// As [`check_gradients`], also in the weights of a module.
#[track_caller]
pub fn check_module_gradients<M: Module>(
    what: &str,
    init: impl Fn(&Device) -> M,
    inputs: &[Sample],
    tolerance: f64,
    f: impl Fn(&M, &[Tensor<4>]) -> Tensor<4>,
) {
    for plain in precise_devices() {
        let device = plain.clone().autodiff();
        let module = in_f64(init(&device));
        let leaves: Vec<_> =
            inputs.iter().map(|sample| sample.f64(&device).require_grad()).collect();
        let output = f(&module, &leaves);
        let upstream = Sample::random(output.dims(), 0xD0);
        let gradients = (output * upstream.f64(&device)).sum().backward();

        let loss = |module: &M, inputs: &[Sample]| {
            let inputs: Vec<_> = inputs.iter().map(|sample| sample.f64(&device)).collect();
            values(&(f(module, &inputs) * upstream.f64(&device)).sum())[0]
        };
        let step = 1e-5;
        let difference = |at: &dyn Fn(f64) -> f64| (at(step) - at(-step)) / (2.0 * step);
        for (which, leaf) in leaves.iter().enumerate() {
            let gradient = leaf.grad(&gradients);
            let found =
                gradient.map_or_else(|| vec![0.0; inputs[which].data.len()], |g| values(&g));
            let expected: Vec<f64> = (0..found.len())
                .map(|n| {
                    difference(&|by| {
                        let mut moved = inputs.to_vec();
                        moved[which].data[n] += by;
                        loss(&module, &moved)
                    })
                })
                .collect();
            assert_close(
                &format!("{what}, {plain:?}: d input {which}"),
                &found,
                &expected,
                tolerance,
            );
        }
        let found = weights_of(&module, Some(&gradients));
        let expected: Vec<f64> = (0..found.len())
            .map(|n| difference(&|by| loss(&nudged(&module, n, by), inputs)))
            .collect();
        assert_close(&format!("{what}, {plain:?}: d weights"), &found, &expected, tolerance);
    }
}

/// `[batch, heads, queries, keys]` of the law's cases; all different.
pub const PAIRS: [usize; 4] = [2, 4, 6, 7];

/// Masks of every kind for [`PAIRS`], some of which leave queries without any key.
pub fn masks() -> Vec<(&'static str, Mask)> {
    let holes = Sample::random(PAIRS, 99);
    let cells: Vec<bool> = holes.data.iter().map(|&x| x > 0.2).collect();
    let explicit = Tensor::<4, Bool>::from_data(TensorData::new(cells, PAIRS), &Device::flex());
    vec![
        ("open", Mask::open()),
        ("nothing", Mask::nothing()),
        ("causal", Mask::causal()),
        ("window", Mask::window(Some(2), Some(1))),
        ("prefix", Mask::prefix([3, 1])),
        ("dilated", Mask::dilated(2)),
        ("padding", Mask::padding([5, 0])),
        ("left padding", Mask::left_padding([2, 6])),
        ("documents", Mask::documents(vec![vec![3, 2], vec![4, 3]])),
        ("blocks", Mask::blocks(4, vec![vec![true, false], vec![true, true]])),
        ("global", Mask::global(vec![vec![1], vec![0, 5]])),
        ("local blocks", Mask::local_blocks(3)),
        ("columns", Mask::columns(3, 1)),
        ("longformer", Mask::longformer(1, 1, vec![vec![0]])),
        ("explicit", Mask::visible(explicit)),
        ("causal, padded", Mask::causal() & Mask::padding([5, 2])),
        ("not causal", !Mask::causal()),
    ]
}

/// Which pairs a mask lets through, row-major.
pub fn lowered(mask: &Mask, [batch, heads, queries, keys]: [usize; 4]) -> Vec<bool> {
    let shape = attn_core::AttentionShape { batch, heads, queries, keys };
    let mut visible = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                visible.extend((0..keys).map(|j| mask.is_visible(&shape, b, h, i, j)));
            }
        }
    }
    visible
}

/// Rules 3, 4 and 7 of the law for an alignment: hidden keys and blind queries have the weight 0,
/// what is hidden does not matter, not even NaN, and gradients through it are 0. Returns nothing;
/// what weights sum to is the alignment's own affair.
#[track_caller]
pub fn check_law_of_alignment<A: Alignment>(what: &str, init: impl Fn(&Device) -> A) {
    for device in devices() {
        let device = device.autodiff();
        let alignment = init(&device);
        let clean = Sample::random(PAIRS, 5).scaled(3.0);
        let query = Sample::random([PAIRS[0], PAIRS[1], PAIRS[2], 5], 6).f32(&device);
        for (name, mask) in masks() {
            let what = format!("{what} under {name} on {device:?}");
            let visible = lowered(&mask, PAIRS);
            let answer = |scores: &Sample| {
                let leaf = scores.f32(&device).require_grad();
                attn_core::random::seed(3);
                let past = Past::start();
                let aligned = weigh(&alignment, leaf.clone(), Some(&query), &mask, &past);
                let upstream = Sample::random(PAIRS, 7).f32(&device);
                let gradients = (aligned.weights.clone() * upstream).sum().backward();
                let gradient = leaf.grad(&gradients).map(|gradient| values(&gradient));
                (values(&aligned.weights), gradient.unwrap_or_else(|| vec![0.0; visible.len()]))
            };
            let (weights, gradient) = answer(&clean);
            for (n, &visible) in visible.iter().enumerate() {
                assert!(weights[n].is_finite(), "{what}: weight {n} is {}", weights[n]);
                assert!(gradient[n].is_finite(), "{what}: gradient {n} is {}", gradient[n]);
                if !visible {
                    assert_eq!(weights[n], 0.0, "{what}: hidden weight {n}");
                    assert_eq!(gradient[n], 0.0, "{what}: gradient of hidden score {n}");
                }
            }
            assert!(answer(&clean).0 == weights, "{what}: another answer the second time");

            let mut poisoned = clean.clone();
            for (n, &visible) in visible.iter().enumerate() {
                if !visible {
                    poisoned.data[n] = [f64::NAN, f64::INFINITY, -1e30][n % 3];
                }
            }
            assert!(answer(&poisoned) == (weights, gradient), "{what}: what is hidden leaks");
        }
    }
}

/// Rules 3, 4 and 7 of the law for a mechanism of grouped queries, 4 heads on 2, width 8, 6 queries
/// on 7 keys, under `masks`: queries that see no key get 0; keys and values that nobody sees do not
/// matter, not even NaN; all gradients are finite, and 0 where nothing is seen.
#[track_caller]
pub fn check_law_of_mechanism<M: Mechanism>(
    what: &str,
    init: impl Fn(&Device) -> M,
    masks: &[(&str, Mask)],
) {
    let [batch, heads, queries, keys] = PAIRS;
    for device in devices() {
        let device = device.autodiff();
        let mechanism = init(&device);
        let query = Sample::random([batch, heads, queries, 8], 11);
        let key = Sample::random([batch, heads / 2, keys, 8], 12);
        let value = Sample::random([batch, heads / 2, keys, 3], 13);
        for (name, mask) in masks {
            let what = format!("{what} under {name} on {device:?}");
            let visible = lowered(mask, PAIRS);
            let sees = |b: usize, h: usize, i: usize| {
                &visible[((b * heads + h) * queries + i) * keys..][..keys]
            };
            let answer = |key: &Sample, value: &Sample| {
                attn_core::random::seed(3);
                let [q, k, v] =
                    [&query, key, value].map(|sample| sample.f32(&device).require_grad());
                let context = mechanism.forward(q.clone(), k.clone(), v.clone(), mask);
                assert_eq!(context.dims(), [batch, heads, queries, 3], "{what}");
                let upstream = Sample::random([batch, heads, queries, 3], 14).f32(&device);
                let gradients = (context.clone() * upstream).sum().backward();
                let gradients = [q, k, v].map(|leaf| {
                    let zeros = vec![0.0; leaf.shape().num_elements()];
                    leaf.grad(&gradients).map_or(zeros, |gradient| values(&gradient))
                });
                (values(&context), gradients)
            };
            let (context, gradients) = answer(&key, &value);
            assert!(context.iter().all(|x| x.is_finite()), "{what}: context {context:?}");
            for (part, gradient) in ["query", "key", "value"].iter().zip(&gradients) {
                assert!(gradient.iter().all(|x| x.is_finite()), "{what}: d {part} {gradient:?}");
            }
            for b in 0..batch {
                for h in 0..heads {
                    for i in (0..queries).filter(|&i| !sees(b, h, i).contains(&true)) {
                        let row = (b * heads + h) * queries + i;
                        assert_eq!(context[row * 3..][..3], [0.0; 3], "{what}: blind {b} {h} {i}");
                        assert_eq!(gradients[0][row * 8..][..8], [0.0; 8], "{what}: d blind query");
                    }
                }
            }
            let again = answer(&key, &value) == (context.clone(), gradients.clone());
            assert!(again, "{what}: another answer the second time");

            // Keys that no query of any head of the group sees.
            let mut poisoned = (key.clone(), value.clone());
            for b in 0..batch {
                for g in 0..heads / 2 {
                    for j in 0..keys {
                        let mut rows =
                            (2 * g..2 * g + 2).flat_map(|h| (0..queries).map(move |i| (h, i)));
                        if rows.any(|(h, i)| sees(b, h, i)[j]) {
                            continue;
                        }
                        let row = (b * (heads / 2) + g) * keys + j;
                        poisoned.0.data[row * 8 + 1] = f64::NAN;
                        poisoned.1.data[row * 3 + 2] = f64::INFINITY;
                        assert_eq!(gradients[1][row * 8..][..8], [0.0; 8], "{what}: d hidden key");
                        assert_eq!(
                            gradients[2][row * 3..][..3],
                            [0.0; 3],
                            "{what}: d hidden value"
                        );
                    }
                }
            }
            // Fused kernels turn to another order of sums where something is not finite.
            let found = answer(&poisoned.0, &poisoned.1);
            assert_close(&format!("{what}: leak"), &found.0, &context, 1e-5);
            for (found, expected) in found.1.iter().zip(&gradients) {
                assert_close(&format!("{what}: leak in a gradient"), found, expected, 1e-5);
            }
        }
    }
}

/// That a sequence read whole, in chunks and step by step is the same, in training form (`autodiff`)
/// or without, under masks, with 4 heads on 2, width 8. The stream of seeds is restarted for each
/// reading, so that noise by seed and step is the same too.
#[track_caller]
pub fn check_steps(what: &str, alignment: &AlignmentConfig, autodiff: bool) {
    let config = AttentionConfig::new().with_alignment(alignment.clone());
    for plain in devices() {
        let device = if autodiff { plain.clone().autodiff() } else { plain };
        let attention = with_weights(config.init(&device), 0x5EED);
        for seed in 40..46 {
            let holes = Sample::random(PAIRS, seed ^ 3);
            let holes: Vec<bool> = holes.data.iter().map(|&x| x > -0.3).collect();
            let holes = TensorData::new(holes, PAIRS);
            let holes = Tensor::<4, Bool>::from_data(holes, &device.clone().without_autodiff());
            // Masks by position would move with the last query of a chunk.
            check_reading(what, &attention, &device, seed, |_| Mask::open());
            check_reading(what, &attention, &device, seed, |_| Mask::padding([5, 3]));
            check_reading(what, &attention, &device, seed, |rows| {
                Mask::visible(holes.clone().slice_dim(2, rows))
            });
        }
    }
}

/// [`check_steps`] of one sequence, under the mask of each chunk, cut at random.
#[track_caller]
fn check_reading(
    what: &str,
    attention: &Attention,
    device: &Device,
    seed: u64,
    mask: impl Fn(Range<usize>) -> Mask,
) {
    let [batch, heads, queries, keys] = PAIRS;
    let query = Sample::random([batch, heads, queries, 8], seed).scaled(3.0).f32(device);
    let key = Sample::random([batch, heads / 2, keys, 8], seed ^ 1).scaled(3.0);
    let value = Sample::random([batch, heads / 2, keys, 3], seed ^ 2);
    let memory = attention.remember(key.f32(device), value.f32(device));
    let read = |ends: &[usize]| {
        let (mut past, mut parts, mut first) = (Past::start(), Vec::new(), 0);
        for &end in ends {
            attn_core::random::seed(seed);
            let part = query.clone().slice_dim(2, first..end);
            parts.push(attention.read(part, &memory, &mask(first..end), &mut past));
            first = end;
        }
        assert_eq!(past.steps, queries);
        let (contexts, weights): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.context, part.weights)).unzip();
        let carry = past.carry.map(|carry| values(&carry));
        (values(&Tensor::cat(contexts, 2)), values(&Tensor::cat(weights, 2)), carry)
    };
    let whole = read(&[queries]);
    let cuts = Sample::random([1, 1, 1, queries], seed ^ 4).data;
    let chunks = (1..queries).filter(|&end| cuts[end] > 0.0).chain([queries]).collect();
    for ends in [chunks, (1..=queries).collect::<Vec<_>>()] {
        let what = format!("{what} read to {ends:?} on {device:?}");
        let parts = read(&ends);
        // Products of other shapes may be summed in another order.
        assert_close(&format!("{what}: context"), &parts.0, &whole.0, 1e-5);
        assert_close(&format!("{what}: weights"), &parts.1, &whole.1, 1e-5);
        assert_eq!(parts.2.is_some(), whole.2.is_some(), "{what}: carry");
        let [found, expected] = [parts.2, whole.2.clone()].map(Option::unwrap_or_default);
        assert_close(&format!("{what}: carry"), &found, &expected, 1e-5);
    }
}

/// That weights and their gradient in the scores are finite for scores of up to ±1e4.
#[track_caller]
pub fn check_large_scores<A: Alignment>(what: &str, init: impl Fn(&Device) -> A) {
    for device in devices() {
        let device = device.autodiff();
        let alignment = init(&device);
        let query = Sample::random([PAIRS[0], PAIRS[1], PAIRS[2], 5], 31).scaled(1e4).f32(&device);
        // Signs alone, ones between, and steps in which each is far above the one before.
        for (seed, factor) in [(32, 1e4), (33, 30.0), (34, 1e3)] {
            let mut scores = Sample::random(PAIRS, seed);
            scores.data.iter_mut().for_each(|x| *x = if seed == 32 { x.signum() } else { *x });
            let scores = scores.scaled(factor).f32(&device).require_grad();
            let past = Past::start();
            let aligned = weigh(&alignment, scores.clone(), Some(&query), &Mask::causal(), &past);
            let upstream = Sample::random(PAIRS, 35).f32(&device);
            let gradients = (aligned.weights.clone() * upstream).sum().backward();
            let gradient = scores.grad(&gradients).map_or_else(Vec::new, |g| values(&g));
            for x in values(&aligned.weights).iter().chain(&gradient) {
                assert!(x.is_finite(), "{what}, scores of {factor:e} on {device:?}: {x}");
            }
        }
    }
}
