//! The gate between generating and copying.

use super::PointerError;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`PointerGenerator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerGeneratorConfig {
    /// Width of a context, what attention returns.
    pub d_context: usize,
    /// Width of a decoder state.
    pub d_state: usize,
    /// Width of a decoder input, the embedding of the last word.
    pub d_input: usize,
}

impl PointerGeneratorConfig {
    /// A pointer-generator for contexts, states and inputs of these widths.
    pub fn new(d_context: usize, d_state: usize, d_input: usize) -> Self {
        Self { d_context, d_state, d_input }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), PointerError> {
        let Self { d_context, d_state, d_input } = *self;
        PointerError::check_sizes(&[
            ("d_context", d_context),
            ("d_state", d_state),
            ("d_input", d_input),
        ])
    }

    /// The gate, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> PointerGenerator {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, bias| LinearConfig::new(from, 1).with_bias(bias).init(device);
        PointerGenerator {
            context: linear(self.d_context, false),
            state: linear(self.d_state, false),
            input: linear(self.d_input, true),
        }
    }
}

/// Pointer-generator, See et al. (2017), equations 8–9: at each step a gate
/// `p_gen = σ(w_h · h* + w_s · s + w_x · x + b)` decides between generating a word and copying one,
/// `P(w) = p_gen P_vocab(w) + (1 - p_gen) Σ_{j: w_j = w} a_j`.
///
/// [`mixture`](super::mixture) computes `ln P`. The vocabulary is that of the model, extended by the
/// words of the batch's sources that it lacks ([`SourceWords`](super::SourceWords)): these can only be
/// copied. With several heads of attention, the caller says which weights are used for copying: those of
/// one, or their mean.
///
/// Time and memory `keys² + extended` per step.
#[derive(Module, Debug)]
pub struct PointerGenerator {
    /// `w_h`, without bias.
    pub context: Linear,
    /// `w_s`, without bias.
    pub state: Linear,
    /// `w_x` and `b`.
    pub input: Linear,
}

impl PointerGenerator {
    /// The logit of `p_gen`, the probability to generate.
    ///
    /// # Shapes
    /// - `context`: `[batch, steps, d_context]`
    /// - `state`: `[batch, steps, d_state]`
    /// - `input`: `[batch, steps, d_input]`
    /// - result: `[batch, steps]`
    ///
    /// # Panics
    /// If a shape is another.
    pub fn gate(&self, context: Tensor<3>, state: Tensor<3>, input: Tensor<3>) -> Tensor<2> {
        let [batch, steps, _] = context.dims();
        let parts = [
            ("context", context, &self.context),
            ("state", state, &self.state),
            ("input", input, &self.input),
        ];
        let logits = parts.map(|(name, tensor, linear)| {
            let expected = [batch, steps, linear.weight.dims()[0]];
            let found = tensor.dims();
            assert_eq!(
                found, expected,
                "pointer-generator: {name} {found:?} does not fit, expected {expected:?}"
            );
            linear.forward(tensor) // [b, t, 1]
        });
        let [context, state, input] = logits;
        (context + state + input).squeeze_dim(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "pointer-generator: d_state must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        PointerGeneratorConfig::new(3, 0, 5).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "state [2, 4, 5] does not fit, expected [2, 4, 6]")]
    fn states_have_the_configured_width() {
        let device = Device::flex();
        let ones = |width| Tensor::ones([2, 4, width], &device);
        PointerGeneratorConfig::new(3, 6, 7).init(&device).gate(ones(3), ones(5), ones(7));
    }
}
