//! Configuration of attention of any score and any alignment.

use super::Attention;
use crate::DropoutConfig;
use crate::alignment::AlignmentConfig;
use crate::mechanism::MechanismError;
use crate::score::{ScaledDotConfig, ScoreConfig};
use crate::talking_heads::TalkingHeadsConfig;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Configuration of an [`Attention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// How well a key answers a query.
    pub score: ScoreConfig,
    /// Scores `s` become `c · tanh(s / c)`, before the mask hides any (Gemma 2, Gemma Team 2024,
    /// section 2).
    pub softcap: Option<f64>,
    /// How scores become weights.
    pub alignment: AlignmentConfig,
    /// Probability to drop a weight.
    pub dropout: f64,
    /// Number of query heads that mix their scores and weights, where they do: [`TalkingHeads`](crate::talking_heads::TalkingHeads).
    pub talking_heads: Option<usize>,
}

impl Default for AttentionConfig {
    /// Scaled dot and softmax, no dropout.
    fn default() -> Self {
        Self {
            score: ScoreConfig::ScaledDot(ScaledDotConfig::new()),
            softcap: None,
            alignment: AlignmentConfig::default(),
            dropout: 0.0,
            talking_heads: None,
        }
    }
}

impl AttentionConfig {
    /// Scaled dot and softmax, no dropout.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another score.
    pub fn with_score(self, score: ScoreConfig) -> Self {
        Self { score, ..self }
    }

    /// Scores below `softcap` in size, a positive number.
    pub fn with_softcap(self, softcap: f64) -> Self {
        Self { softcap: Some(softcap), ..self }
    }

    /// Another alignment.
    pub fn with_alignment(self, alignment: AlignmentConfig) -> Self {
        Self { alignment, ..self }
    }

    /// Dropout on the weights.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// So many query heads, which mix their scores and weights.
    pub fn with_talking_heads(self, heads: usize) -> Self {
        Self { talking_heads: Some(heads), ..self }
    }

    /// A lower bound of the number of its weights, however large its sizes are.
    pub fn least_weights(&self) -> u128 {
        self.score.least_weights()
    }

    fn talking(&self) -> Option<TalkingHeadsConfig> {
        self.talking_heads.map(TalkingHeadsConfig::new)
    }

    /// # Errors
    /// If the configuration of score or alignment is invalid, the soft-cap is not positive, the dropout
    /// is not in `[0, 1)`, no head is to talk, or score, alignment and talking heads are of different
    /// heads or queries.
    pub fn validate(&self) -> Result<(), MechanismError> {
        self.score.validate()?;
        self.alignment.validate()?;
        MechanismError::check_positive("attention", "softcap", self.softcap.unwrap_or(1.0))?;
        MechanismError::check_probability("attention", "dropout", self.dropout)?;
        self.talking().map_or(Ok(()), |talking| talking.validate())?;
        match (self.talking_heads, self.alignment.heads()) {
            (Some(talking), Some(alignment)) if talking != alignment => {
                return Err(MechanismError::Heads { talking, alignment });
            }
            _ => {}
        }
        match (self.score.d_query(), self.alignment.d_query()) {
            (Some(score), Some(alignment)) if score != alignment => {
                Err(MechanismError::QueryWidth { score, alignment })
            }
            _ => Ok(()),
        }
    }

    /// The attention.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Attention {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Attention {
            score: self.score.init(device),
            softcap: self.softcap,
            alignment: self.alignment.init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            talking_heads: self.talking().map(|talking| talking.init(device)),
        }
    }
}
