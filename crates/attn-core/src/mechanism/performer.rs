//! Performer attention: softmax by random features.

use super::normals::{normal_rows, orthogonal_rows};
use super::{
    FeatureMap, Features, LinearState, Mechanism, MechanismError, Stepwise, kernelized,
    kernelized_step,
};
use crate::Mask;
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Performer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerformerConfig {
    /// Width of queries and keys.
    pub d_head: usize,
    /// `m`, the number of random features.
    pub features: usize,
    /// What the features are drawn from.
    #[serde(default)]
    pub seed: u64,
    /// Whether features are drawn orthogonal, in blocks of `d_head`, which makes the estimate
    /// better; else independent.
    #[serde(default = "orthogonal")]
    pub orthogonal: bool,
    /// How many queries are computed at a time under a causal mask. Does not change the answer.
    #[serde(default = "chunk")]
    pub chunk: usize,
}

fn orthogonal() -> bool {
    true
}

fn chunk() -> usize {
    64
}

impl PerformerConfig {
    /// Orthogonal features, seed 0, chunks of 64.
    pub fn new(d_head: usize, features: usize) -> Self {
        Self { d_head, features, seed: 0, orthogonal: orthogonal(), chunk: chunk() }
    }

    /// Another seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Orthogonal or independent features.
    pub fn with_orthogonal(self, orthogonal: bool) -> Self {
        Self { orthogonal, ..self }
    }

    /// Another size of chunks.
    pub fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    /// # Errors
    /// If a size is zero, or `Ω` more than memory could hold.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_head, features, chunk, .. } = *self;
        let sizes = [("d_head", d_head), ("features", features), ("chunk", chunk)];
        MechanismError::check_sizes("performer", &sizes)?;
        // Orthogonal features are drawn in blocks of d_head.
        let sizes = [d_head, features.max(d_head)];
        MechanismError::check_product("performer", "d_head and features", &sizes)
    }

    /// The mechanism.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Performer {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { orthogonal, chunk, .. } = *self;
        Performer { omega: self.draw(device), orthogonal, chunk }
    }

    /// `Ω`, `[d_head, features]`, computed on the host, in f64.
    fn draw(&self, device: &Device) -> Tensor<2> {
        let Self { d_head, features, seed, .. } = *self;
        let draw = if self.orthogonal { orthogonal_rows } else { normal_rows };
        let rows = draw(seed, features, d_head);
        Tensor::from_data(TensorData::new(rows, [features, d_head]), device).transpose()
    }
}

/// Performer attention, FAVOR+, Choromanski et al. (2021): [`kernelized`] attention with positive
/// random features, `φ(x) = exp(Ωᵀx − |x|² / 2) / √m` (lemma 1) of `x = q / d^¼`, so that
/// `φ(q) · φ(k)` is `exp(q · k / √d)` on average over `Ω`.
///
/// An estimate of softmax attention in time and memory that grow with the number of keys, under the
/// masks of [`kernelized`]. It gives up exactness: the error falls as `1 / √m`, and grows fast with
/// the length of queries and keys; where these are longer than a few `d^¼`, the estimate is poor.
///
/// Exponents are taken relative to the largest of each query and of the keys it sees, so nothing
/// overflows. This changes nothing else, and unlike the paper's, no small number is added to the
/// features.
///
/// `Ω` is a function of the seed, the same on each backend; it is not learned and is not part of a
/// record. A model that calls [`redraw`](Self::redraw) has to keep the seed that it drew with.
#[derive(Module, Debug)]
pub struct Performer {
    /// `[d, m]`
    omega: Tensor<2>,
    orthogonal: bool,
    chunk: usize,
}

impl Performer {
    /// Draws other features, as the paper does from time to time in training.
    pub fn redraw(self, seed: u64) -> Self {
        let [d_head, features] = self.omega.dims();
        let Self { orthogonal, chunk, .. } = self;
        let config = PerformerConfig { d_head, features, seed, orthogonal, chunk };
        Self { omega: config.draw(&self.omega.device()), ..self }
    }

    /// Features and the logarithm of what was divided out of each row, `[b, h, n, 1]`.
    fn features(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [d, m] = self.omega.dims();
        assert_eq!(
            x.dims()[3],
            d,
            "performer: {:?} has width {}, expected {d}",
            x.dims(),
            x.dims()[3]
        );
        let x = x * (d as f64).powf(-0.25);
        let omega = self.omega.clone().cast(FloatDType::from(x.dtype())).reshape([1, 1, d, m]);
        let half_square = x.clone().square().sum_dim(3) * 0.5; // [b, h, n, 1]
        let exponent = x.matmul(omega) - half_square; // [b, h, n, m]
        let largest = exponent.clone().detach().max_dim(3);
        ((exponent - largest.clone()).exp(), largest)
    }
}

impl FeatureMap for Performer {
    fn name(&self) -> &'static str {
        "performer"
    }

    // Without 1 / √m, which is divided away.
    fn of_queries(&self, query: Tensor<4>) -> Tensor<4> {
        self.features(query).0
    }

    fn of_keys(&self, key: Tensor<4>) -> Features {
        let (values, log_scale) = self.features(key);
        Features { values, log_scale: Some(log_scale) }
    }
}

impl Mechanism for Performer {
    /// # Panics
    /// Also if queries and keys are not `d_head` wide.
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

impl Stepwise for Performer {
    type State = LinearState;

    /// # Panics
    /// Also if queries and keys are not `d_head` wide.
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

    #[test]
    #[should_panic(expected = "performer: features must be at least 1, got 0")]
    fn no_features_are_refused() {
        PerformerConfig::new(8, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "performer: [2, 4, 3, 5] has width 5, expected 8")]
    fn queries_have_the_configured_width() {
        let device = Device::flex();
        let performer = PerformerConfig::new(8, 6).init(&device);
        let key = Tensor::ones([2, 2, 7, 5], &device);
        performer.forward(Tensor::ones([2, 4, 3, 5], &device), key.clone(), key, &Mask::open());
    }
}
