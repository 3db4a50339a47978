//! An alignment chosen by name.

use super::{Aligned, Alignment, AlignmentError, Scores, Softmax, SoftmaxConfig};
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
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AnyAlignment {
        match self {
            Self::Softmax(config) => AnyAlignment::Softmax(config.init(device)),
        }
    }
}

/// Any of the alignments, made by [`AlignmentConfig`].
#[derive(Module, Debug)]
pub enum AnyAlignment {
    /// `exp(s_j) / Σ exp(s_l)`
    Softmax(Softmax),
}

impl Alignment for AnyAlignment {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        match self {
            Self::Softmax(alignment) => alignment.align(scores),
        }
    }
}
