//! An alignment chosen by name.

use super::{
    AdaptiveSpan, AdaptiveSpanConfig, Aligned, Alignment, AlignmentError, Chunkwise,
    ChunkwiseConfig, LocalMonotonic, LocalMonotonicConfig, LocalPredictive, LocalPredictiveConfig,
    Monotonic, MonotonicConfig, Scores, Softmax, SoftmaxConfig,
};
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Configuration of any of the alignments, as a file names it.
///
/// ```
/// use attn_core::alignment::{AlignmentConfig, SoftmaxConfig};
///
/// let config: AlignmentConfig = serde_json::from_str(r#"{ "name": "softmax" }"#)?;
/// assert_eq!(config, AlignmentConfig::Softmax(SoftmaxConfig::new()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum AlignmentConfig {
    /// [`Softmax`]
    Softmax(SoftmaxConfig),
    /// [`LocalMonotonic`]
    #[serde(rename = "local_m")]
    LocalMonotonic(LocalMonotonicConfig),
    /// [`LocalPredictive`]
    #[serde(rename = "local_p")]
    LocalPredictive(LocalPredictiveConfig),
    /// [`Monotonic`]
    Monotonic(MonotonicConfig),
    /// [`Chunkwise`]
    Chunkwise(ChunkwiseConfig),
    /// [`AdaptiveSpan`]
    AdaptiveSpan(AdaptiveSpanConfig),
}

impl Default for AlignmentConfig {
    fn default() -> Self {
        Self::Softmax(SoftmaxConfig::new())
    }
}

impl AlignmentConfig {
    /// # Errors
    /// As the config it holds.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        match self {
            Self::Softmax(config) => config.validate(),
            Self::LocalMonotonic(config) => config.validate(),
            Self::LocalPredictive(config) => config.validate(),
            Self::Monotonic(config) => config.validate(),
            Self::Chunkwise(config) => config.validate(),
            Self::AdaptiveSpan(config) => config.validate(),
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AnyAlignment {
        match self {
            Self::Softmax(config) => AnyAlignment::Softmax(config.init(device)),
            Self::LocalMonotonic(config) => AnyAlignment::LocalMonotonic(config.init(device)),
            Self::LocalPredictive(config) => AnyAlignment::LocalPredictive(config.init(device)),
            Self::Monotonic(config) => AnyAlignment::Monotonic(config.init(device)),
            Self::Chunkwise(config) => AnyAlignment::Chunkwise(config.init(device)),
            Self::AdaptiveSpan(config) => AnyAlignment::AdaptiveSpan(config.init(device)),
        }
    }
}

/// Any of the alignments, made by [`AlignmentConfig`].
#[derive(Module, Debug)]
pub enum AnyAlignment {
    /// `exp(s_j) / Σ exp(s_l)`
    Softmax(Softmax),
    /// Softmax over a window that moves on by one key per query.
    LocalMonotonic(LocalMonotonic),
    /// Softmax over a window around a predicted key, times a Gaussian.
    LocalPredictive(LocalPredictive),
    /// The probability to stop at a key, never moving back.
    Monotonic(Monotonic),
    /// Softmax over the chunk that ends where a query stops.
    Chunkwise(Chunkwise),
    /// Softmax over a span that is learned.
    AdaptiveSpan(AdaptiveSpan),
}

impl Alignment for AnyAlignment {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        match self {
            Self::Softmax(alignment) => alignment.align(scores),
            Self::LocalMonotonic(alignment) => alignment.align(scores),
            Self::LocalPredictive(alignment) => alignment.align(scores),
            Self::Monotonic(alignment) => alignment.align(scores),
            Self::Chunkwise(alignment) => alignment.align(scores),
            Self::AdaptiveSpan(alignment) => alignment.align(scores),
        }
    }
}
