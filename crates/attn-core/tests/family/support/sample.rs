//! Numbers, made of seeds and compared.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

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
