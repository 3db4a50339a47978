//! A mechanism chosen by name.

use super::{
    Attention, AttentionConfig, GatedDelta, GatedDeltaConfig, KeyValueMemory, LinearAttention,
    LinearAttentionConfig, Linformer, LinformerConfig, Lsh, LshConfig, Mechanism, MechanismError,
    Performer, PerformerConfig, Retention, RetentionConfig,
};
use crate::Mask;
use crate::alignment::Past;
use crate::explain::{self, Summary};
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
#[non_exhaustive]
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

impl Default for MechanismConfig {
    /// Scaled dot-product attention (Vaswani et al. 2017, equation 1).
    fn default() -> Self {
        Self::Attention(AttentionConfig::new())
    }
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

    fn summary(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask, k: usize) -> Summary {
        self.inner().summary(query, key, mask, k)
    }

    fn forward_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        self.inner().forward_with_weights(query, key, value, mask)
    }
}

impl AnyMechanism {
    /// Keys and values as [`cross_attend`](Self::cross_attend) takes them, prepared once for however
    /// many steps attend to them.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - `value`: `[batch, kv_heads, keys, value_dim]`
    ///
    /// # Panics
    /// If they do not fit each other or the mechanism.
    pub fn project_memory(&self, key: Tensor<4>, value: Tensor<4>) -> KeyValueMemory {
        match self {
            Self::Attention(attention) if !attention.is_fused() => {
                attention.project_memory(key, value)
            }
            _ => KeyValueMemory { key, broken: None, value },
        }
    }

    /// The contexts of queries that follow those of `past`, which is moved on behind them where the
    /// mechanism looks back.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - result: `[batch, heads, queries, value_dim]`
    ///
    /// # Panics
    /// If the shapes do not fit together, the mask or the mechanism does not fit them, or the memory is
    /// that of another mechanism.
    pub fn cross_attend(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        mask: &Mask,
        past: &mut Past,
    ) -> Tensor<4> {
        match self.of_scores(memory) {
            Some(attention) => attention.cross_attend(query, memory, mask, past).context,
            None => self.forward(query, memory.key.clone(), memory.value.clone(), mask),
        }
    }

    /// [`cross_attend`](Self::cross_attend), and the weights, `[batch, heads, queries, keys]`.
    ///
    /// # Panics
    /// As [`cross_attend`](Self::cross_attend).
    pub fn cross_attend_with_weights(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        mask: &Mask,
        past: &mut Past,
    ) -> (Tensor<4>, Tensor<4>) {
        match self.of_scores(memory) {
            Some(attention) => {
                let output = attention.cross_attend(query, memory, mask, past);
                (output.context, output.weights)
            }
            None => {
                let (key, value) = (memory.key.clone(), memory.value.clone());
                self.forward_with_weights(query, key, value, mask)
            }
        }
    }

    /// [`cross_attend`](Self::cross_attend) of queries that begin a sequence, and what they look at, as
    /// [`Mechanism::summary`].
    ///
    /// # Panics
    /// As [`cross_attend`](Self::cross_attend).
    pub fn cross_attend_with_summary(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        mask: &Mask,
        k: usize,
    ) -> (Tensor<4>, Summary) {
        match self.of_scores(memory) {
            Some(attention) => {
                let output = attention.cross_attend(query, memory, mask, &mut Past::start());
                (output.context, explain::of_weights(output.weights, k))
            }
            None => {
                let (key, value) = (memory.key.clone(), memory.value.clone());
                let summary = self.summary(query.clone(), key.clone(), mask, k);
                (self.forward(query, key, value, mask), summary)
            }
        }
    }

    /// The attention whose score has projected the keys of a memory; none where they are as they came.
    fn of_scores(&self, memory: &KeyValueMemory) -> Option<&Attention> {
        let projects = matches!(self, Self::Attention(attention) if !attention.is_fused());
        assert_eq!(memory.broken.is_some(), projects, "the memory is that of another mechanism");
        match self {
            Self::Attention(attention) if projects => Some(attention),
            _ => None,
        }
    }
}
