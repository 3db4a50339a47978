//! Configuration of a beam search.

use super::CoveragePenalty;
use crate::{GenerateError, Limits};
use serde::{Deserialize, Serialize};

/// Every beam keeps a state of its own, and reads the logits of the whole vocabulary at every step: of
/// 32 000 tokens, so many beams read 8 GiB.
const MAX_BEAMS: usize = 1 << 16;

/// How [`beam_search`](crate::beam_search) searches, and what it ranks by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeamConfig {
    /// When a hypothesis ends.
    pub limits: Limits,
    /// Hypotheses followed at a time, for each sentence.
    pub beams: usize,
    /// Hypotheses returned for each sentence, at most `beams`.
    pub n_best: usize,
    /// α of Wu et al. (2016), equation 14: 0 ranks by log-probability, more favours longer ones.
    pub length_penalty: f64,
    /// What the attention of a hypothesis adds to its score; `None`: nothing.
    pub coverage_penalty: Option<CoveragePenalty>,
}

impl Default for BeamConfig {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl BeamConfig {
    /// Four beams, one result, α = 0.6: the values of Vaswani et al. (2017), section 6.1.
    pub fn new(limits: Limits) -> Self {
        Self { limits, beams: 4, n_best: 1, length_penalty: 0.6, coverage_penalty: None }
    }

    /// With another width of the beam.
    pub fn with_beams(self, beams: usize) -> Self {
        Self { beams, ..self }
    }

    /// With more results for each sentence.
    pub fn with_n_best(self, n_best: usize) -> Self {
        Self { n_best, ..self }
    }

    /// With another α.
    pub fn with_length_penalty(self, length_penalty: f64) -> Self {
        Self { length_penalty, ..self }
    }

    /// With a penalty on the coverage of the source.
    pub fn with_coverage_penalty(self, penalty: CoveragePenalty) -> Self {
        Self { coverage_penalty: Some(penalty), ..self }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// If one is out of its range; the error names it.
    pub fn validate(&self) -> Result<(), GenerateError> {
        let Self { beams, n_best, length_penalty: value, .. } = *self;
        self.limits.validate()?;
        for (key, count) in [("beams", beams), ("n_best", n_best)] {
            if count == 0 {
                return Err(GenerateError::Zero { key });
            }
        }
        if beams > MAX_BEAMS {
            return Err(GenerateError::TooManyBeams { beams, most: MAX_BEAMS });
        }
        if n_best > beams {
            return Err(GenerateError::NBest { n_best, beams });
        }
        if !(value.is_finite() && value >= 0.0) {
            let range = "finite and at least 0";
            return Err(GenerateError::Range { key: "length_penalty", value, range });
        }
        self.coverage_penalty.map_or(Ok(()), |penalty| penalty.validate())
    }

    /// What a hypothesis is ranked by: Wu et al. (2016), equation 14,
    ///
    /// ```text
    /// s(Y) = log P(Y) / lp(Y) + cp,   lp(Y) = (5 + |Y|)^α / (5 + 1)^α
    /// ```
    ///
    /// where `|Y|` counts every token that was scored, the end token among them, and `cp` is the
    /// [`coverage_penalty`](Self::coverage_penalty) of `coverage`, the attention that each source
    /// position got at all of these steps; 0 without a penalty.
    pub fn score(&self, log_prob: f64, len: usize, coverage: &[f64]) -> f64 {
        let penalty = self.coverage_penalty.map_or(0.0, |penalty| penalty.penalty(coverage));
        self.normalized(log_prob, len) + penalty
    }

    /// `log P(Y) / lp(Y)`
    pub(super) fn normalized(&self, log_prob: f64, len: usize) -> f64 {
        log_prob / ((5.0 + len as f64) / 6.0).powf(self.length_penalty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_range_is_refused_with_its_key() {
        let error = |config: BeamConfig| config.validate().unwrap_err().to_string();
        let config = BeamConfig::default();
        assert_eq!(config.validate(), Ok(()));
        let of = |beams, n_best| BeamConfig { beams, n_best, ..config.clone() };
        assert_eq!(error(of(0, 1)), "beams is 0, must be at least 1");
        assert_eq!(error(of(3, 0)), "n_best is 0, must be at least 1");
        assert_eq!(error(of(3, 4)), "n_best = 4 is more than beams = 3");
        assert_eq!(of(1 << 16, 1).validate(), Ok(()));
        for beams in [(1 << 16) + 1, usize::MAX] {
            let said = format!("beams = {beams} is more than 65536: each has a state in memory");
            assert_eq!(error(of(beams, 1)), said);
        }
        for (length_penalty, said) in [(-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let expected = format!("length_penalty = {said} must be finite and at least 0");
            assert_eq!(error(BeamConfig { length_penalty, ..config.clone() }), expected);
        }
        let limits = Limits { min_len: 9, max_len: 8, end: None };
        assert_eq!(error(BeamConfig { limits, ..config }), "min_len = 9 is more than max_len = 8");
    }

    #[test]
    fn a_key_that_is_missing_has_its_default_and_an_unknown_one_is_refused() {
        let read = serde_json::from_str::<BeamConfig>;
        let config = BeamConfig {
            beams: 7,
            ..BeamConfig::new(Limits { end: Some(2), ..Limits::default() })
        };
        assert_eq!(read(r#"{"beams": 7, "limits": {"end": 2}}"#).unwrap(), config);
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&written).unwrap(), config);
        assert!(read(r#"{"beam": 7}"#).unwrap_err().to_string().contains("unknown field `beam`"));
    }

    /// ((5 + 7) / 6)² = 4, ((5 + 1) / 6)² = 1.
    #[test]
    fn the_score_is_equation_14() {
        let config = BeamConfig { length_penalty: 2.0, ..BeamConfig::default() };
        assert_eq!(config.score(-6.0, 7, &[]), -1.5);
        assert_eq!(config.score(-6.0, 1, &[]), -6.0);
        let plain = BeamConfig { length_penalty: 0.0, ..config.clone() };
        assert_eq!(plain.score(-6.0, 7, &[]), -6.0);
        let covering = config.with_coverage_penalty(CoveragePenalty::Summary { beta: 2.0 });
        assert_eq!(covering.score(-6.0, 7, &[1.5, 0.25]), -2.5);
    }
}
