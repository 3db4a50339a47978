//! Layer normalisation and its root-mean-square form.

use crate::config::{ConfigError, check_nonzero, check_positive, expect_valid};
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::layer_norm;
use burn::tensor::{DType, Device, FloatDType, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// Which statistics a [`Norm`] divides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Layer normalisation, `(x - mean(x)) / sqrt(var(x) + ε) · γ + β`, with the biased variance
    /// (Ba, Kiros & Hinton 2016, equations 3–4).
    #[default]
    Layer,
    /// Root-mean-square normalisation, `x / sqrt(mean(x²) + ε) · γ` (Zhang & Sennrich 2019,
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
    /// Layer normalisation of `d_model` features.
    pub fn new(d_model: usize) -> Self {
        Self { d_model, kind: NormKind::default(), epsilon: default_epsilon() }
    }

    /// # Errors
    /// If the width is zero or `ε` is not positive.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("d_model", self.d_model)?;
        check_positive("epsilon", self.epsilon)
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Norm {
        expect_valid(self.validate());
        let gamma = Initializer::Ones.init([self.d_model], device);
        let beta = match self.kind {
            NormKind::Layer => Some(Initializer::Zeros.init([self.d_model], device)),
            NormKind::Rms => None,
        };
        Norm { gamma, beta, kind: self.kind, epsilon: self.epsilon }
    }
}

/// Normalises the last dimension. Statistics are taken in f32 at least, whatever the input's type.
#[derive(Module, Debug)]
pub struct Norm {
    /// `γ`, `[d_model]`, initially one.
    pub gamma: Param<Tensor<1>>,
    /// `β`, `[d_model]`, initially zero; only of [`NormKind::Layer`].
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: NormKind,
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
            return self.normalise(x.cast(FloatDType::F32), FloatDType::F32).cast(storage);
        }
        self.normalise(x, storage)
    }

    fn normalise<const D: usize>(&self, x: Tensor<D>, dtype: FloatDType) -> Tensor<D> {
        let gamma = self.gamma.val().cast(dtype);
        match self.kind {
            NormKind::Layer => {
                let beta = self.beta.as_ref().map(|beta| beta.val().cast(dtype));
                layer_norm(x, gamma, beta, self.epsilon)
            }
            NormKind::Rms => {
                let mean_square = x.clone().square().mean_dim(D - 1); // [.., 1]
                x / (mean_square + self.epsilon).sqrt() * gamma.unsqueeze()
            }
        }
    }
}
