//! A score chosen by name.

use super::{
    Additive, AdditiveConfig, Concat, ConcatConfig, Cosine, CosineConfig, Dot, DotConfig, General,
    GeneralConfig, ScaledDot, ScaledDotConfig, Score, ScoreError,
};
use crate::alignment::Past;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of any of the scores, as a file names it.
///
/// ```
/// use attn_core::score::{AdditiveConfig, ScoreConfig};
///
/// let text = r#"{ "name": "additive", "d_query": 3, "d_key": 5, "d_hidden": 7 }"#;
/// let config: ScoreConfig = serde_json::from_str(text)?;
/// assert_eq!(config, ScoreConfig::Additive(AdditiveConfig::new(3, 5, 7)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum ScoreConfig {
    /// [`Dot`]
    Dot(DotConfig),
    /// [`ScaledDot`]
    ScaledDot(ScaledDotConfig),
    /// [`General`]
    General(GeneralConfig),
    /// [`Additive`]
    Additive(AdditiveConfig),
    /// [`Concat`]
    Concat(ConcatConfig),
    /// [`Cosine`]
    Cosine(CosineConfig),
}

impl ScoreConfig {
    /// # Errors
    /// As the config it holds.
    pub fn validate(&self) -> Result<(), ScoreError> {
        match self {
            Self::Dot(config) => config.validate(),
            Self::ScaledDot(config) => config.validate(),
            Self::General(config) => config.validate(),
            Self::Additive(config) => config.validate(),
            Self::Concat(config) => config.validate(),
            Self::Cosine(config) => config.validate(),
        }
    }

    /// The score.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> AnyScore {
        match self {
            Self::Dot(config) => AnyScore::Dot(config.init(device)),
            Self::ScaledDot(config) => AnyScore::ScaledDot(config.init(device)),
            Self::General(config) => AnyScore::General(config.init(device)),
            Self::Additive(config) => AnyScore::Additive(config.init(device)),
            Self::Concat(config) => AnyScore::Concat(config.init(device)),
            Self::Cosine(config) => AnyScore::Cosine(config.init(device)),
        }
    }
}

/// Any of the scores, made by [`ScoreConfig`].
#[derive(Module, Debug)]
pub enum AnyScore {
    /// `s · h`
    Dot(Dot),
    /// `s · h / sqrt(d)`
    ScaledDot(ScaledDot),
    /// `s · W h`
    General(General),
    /// `v · tanh(W s + U h)`
    Additive(Additive),
    /// `v · tanh(W [s; h])`
    Concat(Concat),
    /// `cos(s, h) / τ`
    Cosine(Cosine),
}

impl AnyScore {
    fn inner(&self) -> &dyn Score {
        match self {
            Self::Dot(score) => score,
            Self::ScaledDot(score) => score,
            Self::General(score) => score,
            Self::Additive(score) => score,
            Self::Concat(score) => score,
            Self::Cosine(score) => score,
        }
    }
}

impl Score for AnyScore {
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        self.inner().project_keys(key)
    }

    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        self.inner().score(query, key)
    }

    fn score_after(&self, query: Tensor<4>, key: Tensor<4>, past: &Past) -> Tensor<4> {
        self.inner().score_after(query, key, past)
    }

    fn looks_back(&self) -> bool {
        self.inner().looks_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_the_config_that_wrote_it() {
        for config in [
            ScoreConfig::Dot(DotConfig::new()),
            ScoreConfig::ScaledDot(ScaledDotConfig::new().with_scale(0.5)),
            ScoreConfig::General(GeneralConfig::new(3, 5)),
            ScoreConfig::Additive(AdditiveConfig::new(3, 5, 7)),
            ScoreConfig::Concat(ConcatConfig::new(3, 5, 7)),
            ScoreConfig::Cosine(CosineConfig::new().with_temperature(0.2)),
        ] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<ScoreConfig>(&text).unwrap(), config, "{text}");
        }
    }

    #[test]
    fn a_missing_key_gets_the_default_and_an_unknown_one_is_refused() {
        let read = |text| serde_json::from_str::<ScoreConfig>(text);
        let default = ScoreConfig::ScaledDot(ScaledDotConfig::new());
        assert_eq!(read(r#"{ "name": "scaled_dot" }"#).unwrap(), default);
        let error = read(r#"{ "name": "cosine", "heat": 1 }"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `heat`"), "{error}");
        let error = read(r#"{ "name": "dot", "scale": 1 }"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `scale`"), "{error}");
        let error = read(r#"{ "name": "cosin" }"#).unwrap_err().to_string();
        assert!(error.contains("unknown variant `cosin`"), "{error}");
    }

    #[test]
    #[should_panic(expected = "concat score: d_key must be at least 1, got 0")]
    fn nonsense_is_refused_by_name_too() {
        ScoreConfig::Concat(ConcatConfig::new(3, 0, 7)).init(&Device::flex());
    }
}
