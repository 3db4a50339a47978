//! The feed-forward sub-layer, plain and gated.

use crate::config::{ConfigError, check_nonzero, check_probability};
use crate::init;
use crate::linear::{apply, apply_all};
use attn_core::{Dropout, DropoutConfig};
use attn_kernels::activation;
use burn::module::Module;
use burn::nn::Linear;
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

    /// The function `f`.
    fn function(self) -> activation::Activation {
        match self {
            Self::Relu | Self::ReGlu => activation::Activation::Relu,
            Self::Gelu | Self::GeGlu => activation::Activation::Gelu,
            Self::GeluTanh | Self::GeGluTanh => activation::Activation::GeluTanh,
            Self::Silu | Self::SwiGlu => activation::Activation::Silu,
            Self::Glu => activation::Activation::Sigmoid,
        }
    }

    /// The function `f`, element by element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        self.function().forward(x)
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
        Ok(check_probability("dropout", self.dropout)?)
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> FeedForward {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
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
            None => self.activation.forward(apply(&self.up, x)), // [b, s, d_ff]
            Some(gate) => {
                let [gate, up] = apply_all([gate, &self.up], x); // [b, s, d_ff]
                self.activation.function().gate(gate, up)
            }
        };
        apply(&self.down, self.dropout.forward(inner)) // [b, s, m]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::TensorData;

    const POINTS: [f32; 6] = [-3.0, -1.0, -0.25, 0.0, 0.5, 2.0];

    fn devices() -> [Device; 2] {
        #[allow(deprecated)]
        let ndarray = Device::ndarray();
        [ndarray, Device::flex()]
    }

    /// Values and derivatives at `POINTS` from `torch.nn.functional`, torch 2.15, in f64: `relu(x)`,
    /// `gelu(x)`, `gelu(x, approximate="tanh")`, `silu(x)`, `sigmoid(x)`.
    #[test]
    fn activations_and_their_gradients_are_those_of_torch() {
        use Activation::*;
        let cases = [
            (vec![Relu, ReGlu], RELU),
            (vec![Gelu, GeGlu], GELU),
            (vec![GeluTanh, GeGluTanh], GELU_TANH),
            (vec![Silu, SwiGlu], SILU),
            (vec![Glu], SIGMOID),
        ];
        for device in devices().map(Device::autodiff) {
            for (activations, [values, derivatives]) in &cases {
                for activation in activations {
                    let x = Tensor::<1>::from_data(POINTS, &device).require_grad();
                    let y = activation.forward(x.clone());
                    let gradient = x.grad(&y.clone().sum().backward()).unwrap();
                    assert_near(y, values, *activation);
                    assert_near(gradient, derivatives, *activation);
                }
            }
        }
    }

    /// A few operations on numbers up to 3, each rounded to f32.
    fn assert_near(actual: Tensor<1>, expected: &[f64; 6], what: Activation) {
        let actual: Vec<f32> = actual.into_data().try_to_vec().unwrap();
        for (actual, expected) in actual.iter().zip(expected) {
            let error = (f64::from(*actual) - expected).abs();
            assert!(error <= 5.0 * f64::from(f32::EPSILON), "{what:?}: {actual}, {expected}");
        }
    }

    const RELU: [[f64; 6]; 2] = [[0.0, 0.0, 0.0, 0.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]];
    const GELU: [[f64; 6]; 2] = [
        [-0.00404969409, -0.158655254, -0.100323419, 0.0, 0.345731231, 1.95449974],
        [-0.0119456472, -0.0833154706, 0.304626645, 0.5, 0.867495125, 1.0852318],
    ];
    const GELU_TANH: [[f64; 6]; 2] = [
        [-0.00363739208, -0.158808009, -0.100324649, 0.0, 0.34571401, 1.95459769],
        [-0.0115841666, -0.0829640838, 0.304645905, 0.5, 0.867369904, 1.08609926],
    ];
    const SILU: [[f64; 6]; 2] = [
        [-0.14227762, -0.268941421, -0.109455875, 0.0, 0.311229666, 1.76159416],
        [-0.088104106, 0.0723294881, 0.376289978, 0.5, 0.739961187, 1.09078425],
    ];
    const SIGMOID: [[f64; 6]; 2] = [
        [0.0474258732, 0.268941421, 0.437823499, 0.5, 0.622459331, 0.880797078],
        [0.0451766597, 0.196611933, 0.246134083, 0.25, 0.235003712, 0.104993585],
    ];
    /// Of one feature inside and out, the layer is a formula for a calculator.
    #[test]
    fn a_gate_multiplies_what_is_between_the_linear_maps() {
        for device in &devices() {
            let linear = |weight: f32, bias: f32| Linear {
                weight: Param::from_data([[weight]], device),
                bias: Some(Param::from_data([bias], device)),
            };
            let layer = |activation| FeedForward {
                gate: Some(linear(3.0, -1.0)).filter(|_| activation == Activation::ReGlu),
                up: linear(2.0, 1.0),
                down: linear(-0.5, 0.25),
                ..FeedForwardConfig { activation, ..FeedForwardConfig::new(1, 1) }.init(device)
            };
            let x = Tensor::from_data(TensorData::new(vec![2.0_f32, -2.0], [1, 2, 1]), device);
            let run = |activation| -> Vec<f32> {
                layer(activation).forward(x.clone()).into_data().try_to_vec().unwrap()
            };
            // relu(2x + 1): 5 and 0.
            assert_eq!(run(Activation::Relu), [-2.25, 0.25]);
            // relu(3x - 1) · (2x + 1): 5 · 5 and 0 · -3.
            assert_eq!(run(Activation::ReGlu), [-12.25, 0.25]);
        }
    }
}
