//! Numbers of four dimensions, made of seeds.

use crate::{numbers, rng};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers that f32 holds, row-major, with their dims.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Sizes of the four axes.
    pub dims: [usize; 4],
    /// The numbers.
    pub data: Vec<f64>,
}

impl Sample {
    /// In `[-1, 1)`.
    pub fn random(dims: [usize; 4], seed: u64) -> Self {
        Self { dims, data: numbers(&mut rng(seed), dims.iter().product()) }
    }

    /// Each number times `factor`, rounded to f32.
    pub fn scaled(self, factor: f64) -> Self {
        let data = self.data.iter().map(|x| f64::from((x * factor) as f32)).collect();
        Self { data, ..self }
    }

    /// What `f` makes of each row-major index.
    pub fn from_fn(dims: [usize; 4], f: impl FnMut(usize) -> f64) -> Self {
        Self { dims, data: (0..dims.iter().product()).map(f).collect() }
    }

    /// As a tensor of this type.
    pub fn tensor(&self, device: &Device, dtype: DType) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.data.clone(), self.dims), (device, dtype))
    }

    /// As a tensor of f32.
    pub fn f32(&self, device: &Device) -> Tensor<4> {
        self.tensor(device, DType::F32)
    }

    /// As a tensor of f64.
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
