//! Devices, data drawn on the host, and how close is close.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The devices, without gradients.
#[allow(deprecated)]
pub fn devices() -> Vec<Device> {
    vec![
        Device::ndarray(),
        Device::flex(),
        #[cfg(feature = "wgpu")]
        Device::wgpu(Default::default()),
    ]
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Uniform in `[-1, 1)`, of what f32 holds.
pub fn numbers(rng: &mut StdRng, count: usize) -> Vec<f64> {
    (0..count).map(|_| f64::from(rng.random_range(-1.0_f32..1.0))).collect()
}

pub fn floats<const D: usize>(rng: &mut StdRng, dims: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

pub fn random_ids(rng: &mut StdRng, dims: [usize; 2], vocab: u32) -> Vec<Vec<u32>> {
    let [rows, columns] = dims;
    let row = |_| (0..columns).map(|_| rng.random_range(0..vocab)).collect();
    (0..rows).map(row).collect()
}

pub fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let dims = [rows.len(), rows[0].len()];
    let flat: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(flat, dims), device)
}

/// The module with every parameter drawn anew on the host: weights such that they keep the variance
/// of what they are fed, scales and biases of order one, so that a missing or swapped one shows.
pub fn seeded<M: Module>(module: M, seed: u64) -> M {
    struct Draw(StdRng);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let dims = param.dims();
            let bound = if D == 1 { 1.0 } else { (3.0 / dims[0] as f64).sqrt() };
            param.map(|old| {
                let drawn = floats(&mut self.0, dims, &old.device()) * bound;
                drawn.set_require_grad(old.is_require_grad())
            })
        }
    }
    module.map(&mut Draw(rng(seed)))
}

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().detach().into_data().iter::<f64>().collect()
}

/// Absolute for numbers below 1, relative above.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: another number of elements");
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            // An infinite number has no neighbours.
            found == expected
                || expected.is_finite() && error <= tolerance * expected.abs().max(1.0),
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

/// Gradients of the loss in the weights of a module against central differences, in f64 on flex.
///
/// The difference of a smooth function with step 1e-5 is off by 1e-10 of its third derivative, and by
/// 1e-16 / 1e-5 of its value. `count` weights, spread over all of them, are checked.
#[track_caller]
pub fn check_weight_gradients<M: Module>(
    what: &str,
    init: impl Fn(&Device) -> M,
    count: usize,
    tolerance: f64,
    loss: impl Fn(&M) -> Tensor<1>,
) {
    let device = Device::flex().autodiff();
    let module = in_f64(init(&device));
    let gradients = loss(&module).backward();
    let found = weights_of(&module, Some(&gradients));
    let step = 1e-5;
    let stride = (found.len() / count).max(1);
    for n in (0..found.len()).step_by(stride) {
        let at = |by: f64| values(&loss(&nudged(&module, n, by)))[0];
        let expected = (at(step) - at(-step)) / (2.0 * step);
        assert_close(&format!("{what}: d weight {n}"), &[found[n]], &[expected], tolerance);
    }
}

/// A constant in f64.
pub fn f64s<const D: usize>(rng: &mut StdRng, dims: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(rng, dims.iter().product()), dims);
    Tensor::from_data(data, (device, DType::F64))
}
