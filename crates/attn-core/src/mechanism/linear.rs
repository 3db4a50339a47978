//! Linear attention.

use super::{
    FeatureMap, Features, LinearState, Mechanism, MechanismError, Stepwise, kernelized,
    kernelized_step,
};
use crate::Mask;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`LinearAttention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearAttentionConfig {
    /// How many queries are computed at a time under a causal mask. Does not change the answer.
    pub chunk: usize,
}

impl Default for LinearAttentionConfig {
    /// Chunks of 64, about the width of a head: then inside of a chunk and across chunks is the
    /// same work.
    fn default() -> Self {
        Self { chunk: 64 }
    }
}

impl LinearAttentionConfig {
    /// Linear attention in chunks of 64.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another size of chunks.
    pub fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk }
    }

    /// # Errors
    /// If the chunk is zero.
    pub fn validate(&self) -> Result<(), MechanismError> {
        MechanismError::check_sizes("linear attention", &[("chunk", self.chunk)])
    }

    /// The mechanism.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> LinearAttention {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        LinearAttention { chunk: self.chunk }
    }
}

/// Linear attention, Katharopoulos et al. (2020), equations 5 and 7:
/// `φ(q_i)ᵀ (Σ_j φ(k_j) v_jᵀ) / φ(q_i) · Σ_j φ(k_j)` with `φ(x) = elu(x) + 1`.
///
/// In time and memory that grow with the number of keys if the mask is causal, of keys only, or
/// both; [`kernelized`] has the table. A decoder keeps a [`LinearState`](super::LinearState),
/// whose size does not grow at all. It gives up softmax: a weight that is a product of two small
/// vectors cannot single out one key among many.
///
/// Scores are not scaled: a factor of the queries would not be divided away, as `φ` is not linear.
///
/// ```
/// use attn_core::mechanism::{LinearAttentionConfig, LinearState, Mechanism, Stepwise};
/// use attn_core::Mask;
/// use burn::tensor::{Device, Distribution, Tensor};
///
/// let device = Device::default();
/// let attention = LinearAttentionConfig::new().init(&device);
/// let [query, key, value] = [(); 3]
///     .map(|()| Tensor::<4>::random([1, 2, 5, 4], Distribution::Default, &device));
/// let whole = attention.forward(query.clone(), key.clone(), value.clone(), &Mask::causal());
///
/// let mut state = LinearState::default();
/// for t in 0..5 {
///     let [q, k, v] = [&query, &key, &value].map(|x| x.clone().slice_dim(2, t..t + 1));
///     let context = attention.step(&mut state, q, k, v, &Mask::causal());
///     let error = (context - whole.clone().slice_dim(2, t..t + 1)).abs().max();
///     assert!(error.into_scalar::<f32>() < 1e-5);
/// }
/// ```
#[derive(Module, Debug)]
pub struct LinearAttention {
    chunk: usize,
}

impl FeatureMap for LinearAttention {
    fn name(&self) -> &'static str {
        "linear attention"
    }

    fn of_queries(&self, query: Tensor<4>) -> Tensor<4> {
        elu_plus_one(query)
    }

    fn of_keys(&self, key: Tensor<4>) -> Features {
        Features { values: elu_plus_one(key), log_scale: None }
    }
}

/// `x + 1` above 0, else `exp(x)`.
fn elu_plus_one(x: Tensor<4>) -> Tensor<4> {
    // Apart, because the exponential of what is above may overflow, and its gradient with it.
    let positive = x.clone().detach().greater_elem(0.0);
    let below = x.clone().mask_fill(positive.clone(), 0.0).exp();
    below + x.mask_fill(positive.bool_not(), 0.0)
}

impl Mechanism for LinearAttention {
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        kernelized(self, query, key, value, mask, self.chunk)
    }
}

impl Stepwise for LinearAttention {
    type State = LinearState;

    fn step(
        &self,
        state: &mut LinearState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        kernelized_step(self, state, [query, key, value], mask, self.chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(query: [usize; 4], key: [usize; 4], value: [usize; 4]) {
        let device = Device::flex();
        let [query, key, value] = [query, key, value].map(|dims| Tensor::ones(dims, &device));
        LinearAttentionConfig::new().init(&device).forward(query, key, value, &Mask::open());
    }

    #[test]
    #[should_panic(expected = "linear attention: chunk must be at least 1, got 0")]
    fn a_chunk_of_zero_is_refused() {
        LinearAttentionConfig::new().with_chunk(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "linear attention: query [2, 4, 3, 5] does not fit key [2, 2, 7, 6]")]
    fn widths_must_agree() {
        forward([2, 4, 3, 5], [2, 2, 7, 6], [2, 2, 7, 8]);
    }

    #[test]
    #[should_panic(expected = "linear attention: key [2, 2, 7, 5] does not fit value [2, 2, 6, 8]")]
    fn keys_and_values_must_agree() {
        forward([2, 4, 3, 5], [2, 2, 7, 5], [2, 2, 6, 8]);
    }

    #[test]
    #[should_panic(expected = "linear attention: 4 query heads do not split evenly over 3")]
    fn heads_must_split_evenly() {
        forward([2, 4, 3, 5], [2, 3, 7, 5], [2, 3, 7, 8]);
    }
}
