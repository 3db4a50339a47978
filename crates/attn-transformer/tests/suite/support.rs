//! Devices, data drawn on the host, and how close is close.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Both CPU devices, without gradients.
pub fn devices() -> [Device; 2] {
    #[allow(deprecated)]
    let ndarray = Device::ndarray();
    [ndarray, Device::flex()]
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Uniform in `[-1, 1)`.
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

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().expect("tests compute in f32")
}

/// Asserts that two tensors differ by no more than two ways to compute the same sums may.
///
/// `terms` is the length of all sums on the way, one after the other. Each sum of n terms is exact
/// up to n roundings of its largest partial sum (Higham 2002, section 4.2), however it is ordered;
/// norms keep what is summed of order one, and the error is relative to the largest value.
#[track_caller]
pub fn assert_close<const D: usize>(
    actual: &Tensor<D>,
    expected: &Tensor<D>,
    terms: usize,
    what: &str,
) {
    assert_eq!(actual.dims(), expected.dims(), "shape of {what}");
    let (actual, expected) = (values(actual), values(expected));
    let largest = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    let tolerance = terms as f32 * f32::EPSILON * largest;
    for (index, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let error = (a - e).abs();
        assert!(error <= tolerance, "{what}: element {index} is {a}, not {e}; {error:e} apart");
    }
}

/// The message of the panic that `work` ends in.
pub fn panic_message(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(work).expect_err("no panic");
    match payload.downcast_ref::<String>() {
        Some(message) => message.clone(),
        None => payload.downcast_ref::<&str>().expect("a panic with a message").to_string(),
    }
}
