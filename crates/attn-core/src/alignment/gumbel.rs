//! Gumbel-softmax: a draw with a gradient.

use super::hard::rows;
use super::simplex::{below_maximum, constant, most_probable};
use super::{Aligned, Alignment, AlignmentError, Scores};
use crate::random::{combine, next_seed};
use attn_kernels::attention::unfused;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Configuration of a [`GumbelSoftmax`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GumbelSoftmaxConfig {
    /// `τ`: the smaller, the closer the relaxed weights to one key, and the wilder their gradient.
    pub temperature: f64,
}

impl Default for GumbelSoftmaxConfig {
    /// The temperature 1, at which Jang et al. (2017), section 4, begin to anneal.
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl GumbelSoftmaxConfig {
    /// A Gumbel-softmax of temperature 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another temperature.
    pub fn with_temperature(self, temperature: f64) -> Self {
        Self { temperature }
    }

    /// # Errors
    /// If the temperature is not from 1e-18 to 1e18: f32 holds it and its inverse.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        let value = self.temperature;
        if (1e-18..=1e18).contains(&value) {
            return Ok(());
        }
        let range = "from 1e-18 to 1e18";
        Err(AlignmentError::Range {
            alignment: "gumbel-softmax",
            field: "temperature",
            range,
            value,
        })
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> GumbelSoftmax {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        GumbelSoftmax { temperature: self.temperature, training: Param::from_bool(true) }
    }
}

/// Straight-through Gumbel-softmax, Jang et al. (2017), sections 2.1–2.2; Maddison et al. (2017):
/// with noise `n_j = -ln(-ln u_j)`, the weight of the key with the largest `s_j + n_j` is 1, which
/// draws it from `softmax(s)`, and the gradient is that of `softmax((s + n) / τ)`.
///
/// It gives up the truth of the gradient, which is that of another function, for a gradient of less
/// variance than [`Hard`](super::Hard) attention has.
///
/// Draws on tensors that autodiff follows, with one seed of this thread's
/// [`random`](crate::random) stream for each call and noise that is a function of seed, batch, head,
/// query and key; other noise where a sequence is read in other parts. On other tensors, or where it
/// is frozen, it chooses the most probable key, the first of equals. Time and memory of queries ×
/// keys; the noise is made on the CPU.
#[derive(Module, Debug)]
pub struct GumbelSoftmax {
    temperature: f64,
    training: Param<Flag>,
}

impl Alignment for GumbelSoftmax {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        if !(scores.values.device().is_autodiff() && self.training.is_enabled()) {
            return Aligned::new(constant(scores, most_probable(scores)));
        }
        let noisy = scores.values.clone() + noise(scores, next_seed());
        let noisy = Scores { values: noisy, ..scores.clone() };
        let chosen = most_probable(&noisy);
        // Less their maximum, so that no division by a small temperature overflows.
        let moved = noisy.values.clone() - noisy.values.clone().detach();
        let logits = (below_maximum(&noisy) + moved).mul_scalar(1.0 / self.temperature);
        let relaxed = unfused::Softmax::new(logits, None).weights;
        // The difference is exactly 0, so that weights are exactly 0 and 1; its gradient is not.
        Aligned::new(chosen + (relaxed.clone() - relaxed.detach()))
    }
}

/// Standard Gumbel noise for each score.
fn noise(scores: &Scores<'_>, seed: u64) -> Tensor<4> {
    let dims = scores.dims();
    let [b, h, q, keys] = dims;
    let noise: Vec<f64> = rows(seed, [b, h, q])
        .flat_map(|row| (0..keys as u64).map(move |key| gumbel(combine(row, key))))
        .collect();
    let options = (&scores.values.device(), scores.values.dtype());
    Tensor::from_data(TensorData::new(noise, dims), options)
}

/// `-ln(-ln u)` of the number between 0 and 1 that these bits are; the half keeps it off both.
fn gumbel(bits: u64) -> f64 {
    let unit = ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    -(-unit.ln()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "gumbel-softmax alignment: temperature must be from 1e-18 to 1e18, got 0"
    )]
    fn a_temperature_of_zero_is_refused() {
        GumbelSoftmaxConfig::new().with_temperature(0.0).init(&Device::flex());
    }

    #[test]
    fn noise_is_finite_at_both_ends() {
        assert!(gumbel(0).is_finite() && gumbel(u64::MAX).is_finite());
    }
}
