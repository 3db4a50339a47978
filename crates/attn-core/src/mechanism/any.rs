//! A mechanism chosen by name.

use super::{
    Attention, AttentionConfig, GatedDelta, GatedDeltaConfig, LinearAttention,
    LinearAttentionConfig, Linformer, LinformerConfig, Lsh, LshConfig, Mechanism, MechanismError,
    Performer, PerformerConfig, Retention, RetentionConfig,
};
use crate::Mask;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of any of the mechanisms, as a file names it.
///
/// ```
/// use attn_core::mechanism::{AttentionConfig, MechanismConfig};
///
/// let text = r#"{ "name": "attention", "score": { "name": "scaled_dot" } }"#;
/// let config: MechanismConfig = serde_json::from_str(text)?;
/// assert_eq!(config, MechanismConfig::Attention(AttentionConfig::new()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum MechanismConfig {
    /// [`Attention`]
    Attention(AttentionConfig),
    /// [`LinearAttention`]
    LinearAttention(LinearAttentionConfig),
    /// [`Performer`]
    Performer(PerformerConfig),
    /// [`Retention`]
    Retention(RetentionConfig),
    /// [`GatedDelta`]
    GatedDelta(GatedDeltaConfig),
    /// [`Linformer`]
    Linformer(LinformerConfig),
    /// [`Lsh`]
    Lsh(LshConfig),
}

impl MechanismConfig {
    /// # Errors
    /// As the config it holds.
    pub fn validate(&self) -> Result<(), MechanismError> {
        match self {
            Self::Attention(config) => config.validate(),
            Self::LinearAttention(config) => config.validate(),
            Self::Performer(config) => config.validate(),
            Self::Retention(config) => config.validate(),
            Self::GatedDelta(config) => config.validate(),
            Self::Linformer(config) => config.validate(),
            Self::Lsh(config) => config.validate(),
        }
    }

    /// The mechanism.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AnyMechanism {
        match self {
            Self::Attention(config) => AnyMechanism::Attention(config.init(device)),
            Self::LinearAttention(config) => AnyMechanism::LinearAttention(config.init(device)),
            Self::Performer(config) => AnyMechanism::Performer(config.init(device)),
            Self::Retention(config) => AnyMechanism::Retention(config.init(device)),
            Self::GatedDelta(config) => AnyMechanism::GatedDelta(config.init(device)),
            Self::Linformer(config) => AnyMechanism::Linformer(config.init(device)),
            Self::Lsh(config) => AnyMechanism::Lsh(config.init(device)),
        }
    }
}

/// Any of the mechanisms, made by [`MechanismConfig`].
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has a handful, and each holds what it has learned"
)]
pub enum AnyMechanism {
    /// A score and an alignment.
    Attention(Attention),
    /// Products of features.
    LinearAttention(LinearAttention),
    /// Products of random features.
    Performer(Performer),
    /// A sum that decays.
    Retention(Retention),
    /// A state that keys are written to.
    GatedDelta(GatedDelta),
    /// Keys projected along their length.
    Linformer(Linformer),
    /// Keys that hash as the query does.
    Lsh(Lsh),
}

impl AnyMechanism {
    fn inner(&self) -> &dyn Mechanism {
        match self {
            Self::Attention(mechanism) => mechanism,
            Self::LinearAttention(mechanism) => mechanism,
            Self::Performer(mechanism) => mechanism,
            Self::Retention(mechanism) => mechanism,
            Self::GatedDelta(mechanism) => mechanism,
            Self::Linformer(mechanism) => mechanism,
            Self::Lsh(mechanism) => mechanism,
        }
    }
}

impl Mechanism for AnyMechanism {
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        self.inner().forward(query, key, value, mask)
    }

    fn weights(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask) -> Tensor<4> {
        self.inner().weights(query, key, mask)
    }
}
