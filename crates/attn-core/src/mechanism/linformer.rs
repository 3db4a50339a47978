//! Linformer attention: keys and values projected along their length.

use super::inputs::{Inputs, Visible};
use super::{Mechanism, MechanismError};
use crate::{AttendOptions, Mask, attend};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Which projections are one and the same; all heads share theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinformerSharing {
    /// `E` for keys and `F` for values, the paper's "headwise".
    #[default]
    Headwise,
    /// One for both, the paper's "key-value".
    KeyValue,
}

/// Configuration of a [`Linformer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinformerConfig {
    /// The most keys that there may be.
    pub max_keys: usize,
    /// `k`, the number of keys that is left of them.
    pub projected: usize,
    /// Which projections are one and the same.
    #[serde(default)]
    pub sharing: LinformerSharing,
}

impl LinformerConfig {
    /// Two projections, shared by all heads.
    pub fn new(max_keys: usize, projected: usize) -> Self {
        Self { max_keys, projected, sharing: LinformerSharing::default() }
    }

    /// Other sharing.
    pub fn with_sharing(self, sharing: LinformerSharing) -> Self {
        Self { sharing, ..self }
    }

    /// # Errors
    /// If a size is zero.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let sizes = [("max_keys", self.max_keys), ("projected", self.projected)];
        MechanismError::check_sizes("linformer", &sizes)
    }

    /// The mechanism, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Linformer {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { max_keys, projected, sharing } = *self;
        // That of a linear layer from `max_keys` to `projected`.
        let bound = 1.0 / (max_keys as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let projection = || uniform.init([max_keys, projected], device);
        Linformer {
            key: projection(),
            value: (sharing == LinformerSharing::Headwise).then(projection),
        }
    }
}

/// Linformer attention, Wang et al. (2020), equation 7: `softmax(q (Eᵀ K)ᵀ / √d) Fᵀ V`, where the
/// projections `E` and `F` leave `k` keys and values of however many there are. Of fewer than
/// `max_keys`, each projection's first rows are used.
///
/// Time and memory grow as `(q + keys) · k`. It gives up masks that differ between queries, causal
/// ones among them, because a projected key is made of all keys; lengths beyond `max_keys`; and
/// indifference to where a key is. A mask of keys is kept: a hidden key and its value count as 0,
/// the row of the projection going to waste.
///
/// Weights by key may be negative: see [`Mechanism::weights`].
#[derive(Module, Debug)]
pub struct Linformer {
    /// `E`, `[max_keys, projected]`
    pub key: Param<Tensor<2>>,
    /// `F`, `[max_keys, projected]`; none where it is `E`.
    pub value: Option<Param<Tensor<2>>>,
}

impl Mechanism for Linformer {
    /// # Panics
    /// Also if there are more keys than configured, or the mask hides other keys from one query than
    /// from another.
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        let [max_keys, _] = self.key.dims();
        let keys = key.dims()[2];
        assert!(keys <= max_keys, "linformer: {keys} keys, but at most {max_keys} are configured");
        let inputs = match Inputs::new("linformer", [query, key, value], mask, false) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let Visible::Rows { causal: false, .. } = inputs.visible else {
            panic!(
                "linformer: takes a mask of keys, the same for each query, which {mask:?} is not"
            )
        };
        let project = |by: &Param<Tensor<2>>, x: Tensor<4>| {
            let by = by.val().cast(FloatDType::from(x.dtype()));
            let [_, k] = by.dims();
            by.slice_dim(0, 0..keys).reshape([1, 1, keys, k]).transpose().matmul(x) // [b, g, k, _]
        };
        // Hidden keys and values are 0, and so is the context of a query that sees only such.
        let key = project(&self.key, inputs.key.clone());
        let value = project(self.value.as_ref().unwrap_or(&self.key), inputs.value.clone());
        let query = inputs.query.clone();
        inputs.finish(attend(query, key, value, &Mask::open(), &AttendOptions::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(keys: usize, mask: &Mask) {
        let device = Device::flex();
        let linformer = LinformerConfig::new(7, 3).init(&device);
        let key = Tensor::ones([2, 2, keys, 5], &device);
        linformer.forward(Tensor::ones([2, 4, 6, 5], &device), key.clone(), key, mask);
    }

    #[test]
    #[should_panic(expected = "linformer: projected must be at least 1, got 0")]
    fn no_projected_keys_are_refused() {
        LinformerConfig::new(7, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "linformer: 8 keys, but at most 7 are configured")]
    fn too_many_keys_are_refused() {
        forward(8, &Mask::open());
    }

    #[test]
    #[should_panic(
        expected = "linformer: takes a mask of keys, the same for each query, which causal is not"
    )]
    fn a_causal_mask_is_refused() {
        forward(7, &Mask::causal());
    }
}
