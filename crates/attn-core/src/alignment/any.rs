//! An alignment chosen by name.

use super::{
    AdaptiveSpan, AdaptiveSpanConfig, Aligned, Alignment, AlignmentError, Chunkwise,
    ChunkwiseConfig, Entmax, EntmaxAlpha, EntmaxConfig, GumbelSoftmax, GumbelSoftmaxConfig, Hard,
    HardConfig, LocalMonotonic, LocalMonotonicConfig, LocalPredictive, LocalPredictiveConfig,
    Monotonic, MonotonicConfig, Scores, Sigmoid, SigmoidConfig, SinkConfig, Softmax, SoftmaxConfig,
    Sparsemax, SparsemaxConfig, TopK, TopKConfig,
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
    /// [`Sparsemax`]
    Sparsemax(SparsemaxConfig),
    /// [`Entmax`]
    Entmax(EntmaxConfig),
    /// [`Sigmoid`]
    Sigmoid(SigmoidConfig),
    /// [`TopK`]
    TopK(TopKConfig),
    /// [`Hard`]
    Hard(HardConfig),
    /// [`GumbelSoftmax`]
    GumbelSoftmax(GumbelSoftmaxConfig),
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
            Self::Sparsemax(config) => config.validate(),
            Self::Entmax(config) => config.validate(),
            Self::Sigmoid(config) => config.validate(),
            Self::TopK(config) => config.validate(),
            Self::Hard(config) => config.validate(),
            Self::GumbelSoftmax(config) => config.validate(),
        }
    }

    /// The number of heads, where it is configured.
    pub(crate) fn heads(&self) -> Option<usize> {
        match self {
            Self::Softmax(SoftmaxConfig { sink: SinkConfig::Learned(heads) }) => Some(*heads),
            Self::Entmax(EntmaxConfig { alpha: EntmaxAlpha::Learned(heads) }) => Some(*heads),
            Self::AdaptiveSpan(config) => Some(config.heads),
            _ => None,
        }
    }

    /// The width of a query, where it is configured.
    pub(crate) fn d_query(&self) -> Option<usize> {
        match self {
            Self::LocalPredictive(config) => Some(config.d_query),
            _ => None,
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
            Self::Sparsemax(config) => AnyAlignment::Sparsemax(config.init(device)),
            Self::Entmax(config) => AnyAlignment::Entmax(config.init(device)),
            Self::Sigmoid(config) => AnyAlignment::Sigmoid(config.init(device)),
            Self::TopK(config) => AnyAlignment::TopK(config.init(device)),
            Self::Hard(config) => AnyAlignment::Hard(config.init(device)),
            Self::GumbelSoftmax(config) => AnyAlignment::GumbelSoftmax(config.init(device)),
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
    /// `max(0, s_j - τ)`
    Sparsemax(Sparsemax),
    /// `max(0, (α - 1) s_j - τ)^(1 / (α - 1))`
    Entmax(Entmax),
    /// `σ(s_j + b)`
    Sigmoid(Sigmoid),
    /// Softmax over the `k` largest scores.
    TopK(TopK),
    /// One key, drawn from the softmax.
    Hard(Hard),
    /// One key, drawn from the softmax, with a gradient.
    GumbelSoftmax(GumbelSoftmax),
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
            Self::Sparsemax(alignment) => alignment.align(scores),
            Self::Entmax(alignment) => alignment.align(scores),
            Self::Sigmoid(alignment) => alignment.align(scores),
            Self::TopK(alignment) => alignment.align(scores),
            Self::Hard(alignment) => alignment.align(scores),
            Self::GumbelSoftmax(alignment) => alignment.align(scores),
        }
    }
}
