//! The feed-forward sub-layer, plain and gated.

use crate::config::{ConfigError, check_nonzero, check_probability, expect_valid};
use crate::init;
use attn_core::{Dropout, DropoutConfig};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu};
use burn::tensor::{Device, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// What stands between the two linear maps of a [`FeedForward`].
///
/// The plain ones are `f(x W₁) W₂`; the gated ones `(f(x W_gate) ⊗ x W₁) W₂` (Shazeer 2020,
/// equations 5–6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)` (Vaswani et al. 2017, equation 2).
    #[default]
    Relu,
    /// `x Φ(x)`, with the exact normal distribution function (Hendrycks & Gimpel 2016).
    Gelu,
    /// GELU by its tanh approximation, as in GPT-2.
    GeluTanh,
    /// `x σ(x)`, also called swish.
    Silu,
    /// Gated by `σ`.
    Glu,
    /// Gated by [`Relu`](Self::Relu).
    ReGlu,
    /// Gated by [`Gelu`](Self::Gelu).
    GeGlu,
    /// Gated by [`GeluTanh`](Self::GeluTanh), as in T5 1.1 and Gemma.
    GeGluTanh,
    /// Gated by [`Silu`](Self::Silu), as in Llama.
    SwiGlu,
}

impl Activation {
    /// Whether the feed-forward layer has a third matrix, the gate's.
    pub fn is_gated(self) -> bool {
        matches!(self, Self::Glu | Self::ReGlu | Self::GeGlu | Self::GeGluTanh | Self::SwiGlu)
    }

    /// The function `f`, element by element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu | Self::ReGlu => relu(x),
            Self::Gelu | Self::GeGlu => gelu(x),
            Self::GeluTanh | Self::GeGluTanh => gelu_approximate(x),
            Self::Silu | Self::SwiGlu => silu(x),
            Self::Glu => sigmoid(x),
        }
    }
}

/// Configuration of a [`FeedForward`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedForwardConfig {
    /// Width of input and output.
    pub d_model: usize,
    /// Width between the two linear maps.
    pub d_ff: usize,
    /// Plain or gated, and by what.
    #[serde(default)]
    pub activation: Activation,
    /// Whether the linear maps have biases.
    #[serde(default = "default_bias")]
    pub bias: bool,
    /// Probability to drop an element between the two linear maps.
    #[serde(default)]
    pub dropout: f64,
}

fn default_bias() -> bool {
    true
}

impl FeedForwardConfig {
    /// The paper's: ReLU, with biases, without inner dropout.
    pub fn new(d_model: usize, d_ff: usize) -> Self {
        Self { d_model, d_ff, activation: Activation::default(), bias: true, dropout: 0.0 }
    }

    /// # Errors
    /// If a width is zero or the dropout no probability below one.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("d_model", self.d_model)?;
        check_nonzero("d_ff", self.d_ff)?;
        check_probability("dropout", self.dropout)
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> FeedForward {
        expect_valid(self.validate());
        let Self { d_model, d_ff, activation, bias, dropout } = *self;
        let up = || init::linear([d_model, d_ff], bias, 1.0, device);
        FeedForward {
            gate: activation.is_gated().then(up),
            up: up(),
            down: init::linear([d_ff, d_model], bias, 1.0, device),
            dropout: DropoutConfig::new(dropout).init(),
            activation,
        }
    }
}

/// The position-wise feed-forward layer (Vaswani et al. 2017, section 3.3).
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `W_gate`, `[d_model, d_ff]`; only of a gated [`Activation`].
    pub gate: Option<Linear>,
    /// `W₁`, `[d_model, d_ff]`.
    pub up: Linear,
    /// `W₂`, `[d_ff, d_model]`.
    pub down: Linear,
    /// Acts before `down`.
    pub dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    /// # Shapes
    /// - `x` and result: `[b, s, m]`
    ///
    /// # Panics
    /// If the width of `x` is not `d_model`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [d_model, _] = self.up.weight.shape().dims();
        assert_shape!(x, [_, _, d_model]);
        let inner = match &self.gate {
            None => self.activation.forward(self.up.forward(x)), // [b, s, d_ff]
            Some(gate) => self.activation.forward(gate.forward(x.clone())) * self.up.forward(x),
        };
        self.down.forward(self.dropout.forward(inner)) // [b, s, m]
    }
}
