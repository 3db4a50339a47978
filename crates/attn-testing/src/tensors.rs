//! Tensors of numbers that are drawn on the host, so that they are the same on every device.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A generator that a seed determines.
pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Uniform in `[-1, 1)`, of what f32 holds.
pub fn numbers(rng: &mut StdRng, count: usize) -> Vec<f64> {
    (0..count).map(|_| f64::from(rng.random_range(-1.0_f32..1.0))).collect()
}

/// Uniform in `[-1, 1)`, in f32.
pub fn floats<const D: usize>(rng: &mut StdRng, dims: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Uniform in `[-1, 1)`, in f32; on a device with autodiff, a tensor that has a gradient.
pub fn tracked<const D: usize>(seed: u64, dims: [usize; D], device: &Device) -> Tensor<D> {
    floats(&mut rng(seed), dims, device).set_require_grad(device.is_autodiff())
}

/// As [`numbers`], in f64.
pub fn f64s<const D: usize>(rng: &mut StdRng, dims: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(rng, dims.iter().product()), dims);
    Tensor::from_data(data, (device, DType::F64))
}

/// `[rows, columns]` of tokens below `vocab`.
pub fn random_ids(rng: &mut StdRng, dims: [usize; 2], vocab: u32) -> Vec<Vec<u32>> {
    let [rows, columns] = dims;
    let row = |_| (0..columns).map(|_| rng.random_range(0..vocab)).collect();
    (0..rows).map(row).collect()
}

/// Rows of tokens as a tensor.
///
/// # Panics
/// If there is no row, or they are not of one length.
pub fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let dims = [rows.len(), rows[0].len()];
    let flat: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(flat, dims), device)
}

/// The numbers of a tensor of any float type, row-major.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().detach().into_data().iter::<f64>().collect()
}
