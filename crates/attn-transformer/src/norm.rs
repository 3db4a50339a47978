//! Layer normalization and its root-mean-square form.

use crate::config::{ConfigError, check_nonzero, check_positive};
use attn_kernels::norm::{layer_norm, norm_with_residual, rms_norm};
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, FloatDType, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// Which statistics a [`Norm`] divides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Layer normalization, `(x - mean(x)) / sqrt(var(x) + ε) · γ + β`, with the biased variance
    /// (Ba, Kiros & Hinton 2016, equations 3–4).
    #[default]
    Layer,
    /// Root-mean-square normalization, `x / sqrt(mean(x²) + ε) · γ` (Zhang & Sennrich 2019,
    /// equation 4).
    Rms,
}

/// Configuration of a [`Norm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormConfig {
    /// Number of features.
    pub d_model: usize,
    /// Which statistics.
    #[serde(default)]
    pub kind: NormKind,
    /// `ε`, added to the variance or mean square, inside the root; `1e-5`, as in torch.
    #[serde(default = "default_epsilon")]
    pub epsilon: f64,
}

pub(crate) fn default_epsilon() -> f64 {
    1e-5
}

impl NormConfig {
    /// Layer normalization of `d_model` features.
    pub fn new(d_model: usize) -> Self {
        Self { d_model, kind: NormKind::default(), epsilon: default_epsilon() }
    }

    /// # Errors
    /// If the width is zero or `ε` is not positive.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("d_model", self.d_model)?;
        Ok(check_positive("epsilon", self.epsilon)?)
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Norm {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let gamma = Initializer::Ones.init([self.d_model], device);
        let beta = match self.kind {
            NormKind::Layer => Some(Initializer::Zeros.init([self.d_model], device)),
            NormKind::Rms => None,
        };
        Norm { gamma, beta, epsilon: self.epsilon }
    }
}

/// Normalizes the last dimension. Statistics are taken in f32 at least, whatever the input's type.
#[derive(Module, Debug)]
pub struct Norm {
    /// `γ`, `[d_model]`, initially one.
    pub gamma: Param<Tensor<1>>,
    /// `β`, `[d_model]`, initially zero; only of [`NormKind::Layer`].
    pub beta: Option<Param<Tensor<1>>>,
    epsilon: f64,
}

impl Norm {
    /// # Shapes
    /// - `x` and result: `[.., d_model]`
    ///
    /// # Panics
    /// If the last dimension is not `d_model`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let [d_model] = self.gamma.shape().dims();
        assert_shape!(x, [.., d_model]);
        let storage: FloatDType = x.dtype().into();
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            return self.normalize(x.cast(FloatDType::F32), FloatDType::F32).cast(storage);
        }
        self.normalize(x, storage)
    }

    /// [`forward`](Self::forward), and `x` itself, for the residual connection around what reads the
    /// norm: in the backward pass the gradients of both are added up on the way.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub(crate) fn forward_with_residual<const D: usize>(&self, x: Tensor<D>) -> [Tensor<D>; 2] {
        let [d_model] = self.gamma.shape().dims();
        assert_shape!(x, [.., d_model]);
        let dtype: FloatDType = x.dtype().into();
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            return [self.forward(x.clone()), x];
        }
        let beta = self.beta.as_ref().map(|beta| beta.val().cast(dtype));
        norm_with_residual(x, self.gamma.val().cast(dtype), beta, self.epsilon)
    }

    fn normalize<const D: usize>(&self, x: Tensor<D>, dtype: FloatDType) -> Tensor<D> {
        let gamma = self.gamma.val().cast(dtype);
        match &self.beta {
            Some(beta) => layer_norm(x, gamma, beta.val().cast(dtype), self.epsilon),
            None => rms_norm(x, gamma, self.epsilon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    const ROWS: usize = 3;
    const WIDTH: usize = 5;
    const GAMMA: [f32; WIDTH] = [0.5, -1.0, 2.0, 1.5, 0.25];
    const BETA: [f32; WIDTH] = [0.1, 0.2, -0.3, 0.4, -0.5];

    fn norm(kind: NormKind, device: &Device) -> Norm {
        let mut norm = NormConfig { kind, ..NormConfig::new(WIDTH) }.init(device);
        norm.gamma = Param::from_data(GAMMA, device);
        norm.beta = norm.beta.map(|_| Param::from_data(BETA, device));
        norm
    }

    /// Rows that are near each other, far from zero, and of both signs.
    fn rows(scale: f64) -> Vec<f64> {
        let values = [1.0, 2.0, 4.0, 8.0, -3.0, 100.0, 101.0, 99.0, 100.5, 98.0];
        let rows = values.into_iter().chain([-0.1, 0.3, 0.2, -0.7, 0.0]);
        rows.map(|value| value * scale).collect()
    }

    /// The equations in f64.
    fn expected(kind: NormKind, x: &[f64], epsilon: f64) -> Vec<f64> {
        let mean = |it: &mut dyn Iterator<Item = f64>| it.sum::<f64>() / WIDTH as f64;
        let row = |row: &[f64]| -> Vec<f64> {
            let centre = match kind {
                NormKind::Layer => mean(&mut row.iter().copied()),
                NormKind::Rms => 0.0,
            };
            let spread = mean(&mut row.iter().map(|x| (x - centre).powi(2)));
            let normal = row.iter().map(|x| (x - centre) / (spread + epsilon).sqrt());
            let beta = if kind == NormKind::Layer { BETA } else { [0.0; WIDTH] };
            let affine = normal.zip(GAMMA).zip(beta);
            affine.map(|((x, gamma), beta)| x * f64::from(gamma) + f64::from(beta)).collect()
        };
        x.chunks(WIDTH).flat_map(row).collect()
    }

    fn devices() -> [Device; 2] {
        #[allow(deprecated)]
        let ndarray = Device::ndarray();
        [ndarray, Device::flex()]
    }

    #[test]
    fn both_kinds_equal_their_equations_at_any_magnitude() {
        for device in &devices() {
            for kind in [NormKind::Layer, NormKind::Rms] {
                for scale in [0.0, 1e-30, 1e-3, 1.0, 1e4, 1e15] {
                    let x = rows(scale);
                    let data = TensorData::new(x.clone(), [ROWS, WIDTH]).convert::<f32>();
                    let y = norm(kind, device).forward(Tensor::<2>::from_data(data, device));
                    let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
                    // Rounding a row of size 100 that varies by 1 moves its deviations by 100
                    // roundings; the rest is WIDTH terms in each statistic, and γ is at most 2.
                    let tolerance = 2.0 * (100.0 + 4.0 * WIDTH as f64) * f64::from(f32::EPSILON);
                    for (actual, expected) in y.iter().zip(expected(kind, &x, 1e-5)) {
                        let error = (f64::from(*actual) - expected).abs();
                        assert!(error <= tolerance, "{kind:?} at {scale}: {actual}, {expected}");
                    }
                }
            }
        }
    }

    /// 300² is beyond the largest f16.
    #[test]
    fn statistics_of_a_narrow_type_are_taken_in_f32() {
        let device = Device::flex();
        let x = rows(3.0);
        let data = TensorData::new(x.clone(), [ROWS, WIDTH]).convert::<f32>();
        let x16 = Tensor::<2>::from_data(data, &device).cast(FloatDType::F16);
        for kind in [NormKind::Layer, NormKind::Rms] {
            let y = norm(kind, &device).forward(x16.clone());
            assert_eq!(y.dtype(), DType::F16);
            let y: Vec<f32> = y.cast(FloatDType::F32).into_data().try_to_vec().unwrap();
            let x: Vec<f32> = x16.clone().cast(FloatDType::F32).into_data().try_to_vec().unwrap();
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            // One rounding to f16, of numbers below 4.
            let tolerance = 4.0 * 2.0_f64.powi(-11);
            for (actual, expected) in y.iter().zip(expected(kind, &x, 1e-5)) {
                let error = (f64::from(*actual) - expected).abs();
                assert!(error <= tolerance, "{kind:?}: {actual}, {expected}");
            }
        }
    }
}
