//! A score chosen by name.

use super::{
    Additive, AdditiveConfig, Concat, ConcatConfig, Cosine, CosineConfig, Coverage, CoverageConfig,
    Dot, DotConfig, Gaussian, GaussianConfig, General, GeneralConfig, L2, L2Config, Location,
    LocationAware, LocationAwareConfig, LocationConfig, ScaledDot, ScaledDotConfig, Score,
    ScoreError,
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
#[non_exhaustive]
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
    /// [`Location`]
    Location(LocationConfig),
    /// [`LocationAware`]
    LocationAware(LocationAwareConfig),
    /// [`L2`]
    L2(L2Config),
    /// [`Gaussian`]
    Gaussian(GaussianConfig),
    /// [`Coverage`]
    Coverage(CoverageConfig),
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
            Self::Location(config) => config.validate(),
            Self::LocationAware(config) => config.validate(),
            Self::L2(config) => config.validate(),
            Self::Gaussian(config) => config.validate(),
            Self::Coverage(config) => config.validate(),
        }
    }

    /// The widths of queries and of keys that the score is configured for, the latter `None` where it
    /// reads no keys. `None` where it compares queries and keys without weights, which then must be
    /// equally wide.
    pub fn widths(&self) -> Option<(usize, Option<usize>)> {
        match self {
            Self::General(config) => Some((config.d_query, Some(config.d_key))),
            Self::Additive(config) => Some((config.d_query, Some(config.d_key))),
            Self::Concat(config) => Some((config.d_query, Some(config.d_key))),
            Self::LocationAware(config) => Some((config.d_query, Some(config.d_key))),
            Self::Coverage(config) => Some((config.d_query, Some(config.d_key))),
            Self::Location(config) => Some((config.d_query, None)),
            Self::Dot(_)
            | Self::ScaledDot(_)
            | Self::Cosine(_)
            | Self::L2(_)
            | Self::Gaussian(_) => None,
        }
    }

    /// A lower bound of the number of its weights, however large its sizes are; 0 where it has none.
    pub(crate) fn least_weights(&self) -> u128 {
        let rows = match self {
            Self::General(config) => config.d_key,
            Self::Additive(config) => config.d_hidden,
            Self::Concat(config) => config.d_hidden,
            Self::LocationAware(config) => config.d_hidden,
            Self::Coverage(config) => config.d_hidden,
            Self::Location(config) => config.max_keys,
            Self::Dot(_)
            | Self::ScaledDot(_)
            | Self::Cosine(_)
            | Self::L2(_)
            | Self::Gaussian(_) => 0,
        };
        rows as u128 * self.d_query().unwrap_or(0) as u128
    }

    /// The width of a query, where it is configured.
    pub(crate) fn d_query(&self) -> Option<usize> {
        self.widths().map(|(d_query, _)| d_query)
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
            Self::Location(config) => AnyScore::Location(config.init(device)),
            Self::LocationAware(config) => AnyScore::LocationAware(config.init(device)),
            Self::L2(config) => AnyScore::L2(config.init(device)),
            Self::Gaussian(config) => AnyScore::Gaussian(config.init(device)),
            Self::Coverage(config) => AnyScore::Coverage(config.init(device)),
        }
    }
}

/// Any of the scores, made by [`ScoreConfig`].
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has a handful, and each holds what it has learned"
)]
#[non_exhaustive]
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
    /// `(W s)_j`
    Location(Location),
    /// `w · tanh(W s + V h_j + U (F * α)_j + b)`
    LocationAware(LocationAware),
    /// `-|s - h|² / sqrt(d)`
    L2(L2),
    /// `-|s - h|² / 2σ²`
    Gaussian(Gaussian),
    /// `v · tanh(W_h h_j + W_s s + w_c c_j + b)`
    Coverage(Coverage),
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
            Self::Location(score) => score,
            Self::LocationAware(score) => score,
            Self::L2(score) => score,
            Self::Gaussian(score) => score,
            Self::Coverage(score) => score,
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
    use super::super::Convolved;
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
            ScoreConfig::Location(LocationConfig::new(3, 5)),
            ScoreConfig::LocationAware(
                LocationAwareConfig::new(3, 5, 7, 2, 9).with_convolved(Convolved::Cumulative),
            ),
            ScoreConfig::L2(L2Config::new()),
            ScoreConfig::Gaussian(GaussianConfig::new().with_bandwidth(0.3).with_learned(true)),
            ScoreConfig::Coverage(CoverageConfig::new(3, 5, 7)),
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
