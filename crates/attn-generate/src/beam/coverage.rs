//! A penalty for source positions that a hypothesis attended to too little, or too much.

use crate::GenerateError;
use serde::{Deserialize, Serialize};

/// What the coverage of a hypothesis adds to its score; never above 0.
///
/// The coverage `c_j` of a source position is the sum of the attention that it got at all steps of the
/// hypothesis, see [`StepDecoder::attention`](crate::StepDecoder::attention).
///
/// ```
/// use attn_generate::{BeamConfig, CoveragePenalty, Limits};
///
/// let penalty: CoveragePenalty = serde_json::from_str(r#"{ "name": "gnmt", "beta": 0.2 }"#)?;
/// assert_eq!(penalty, CoveragePenalty::Gnmt { beta: 0.2 });
/// let config = BeamConfig::new(Limits::new(2, 40)).with_coverage_penalty(penalty);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum CoveragePenalty {
    /// For positions that were left out, Wu et al. (2016), equation 14: `β Σ_j ln min(c_j, 1)`.
    Gnmt {
        /// `β`; 0.2 in the paper.
        beta: f64,
    },
    /// For positions that were repeated, Gehrmann et al. (2018), OpenNMT's `summary` penalty:
    /// `-β Σ_j (max(c_j, 1) - 1)`.
    Summary {
        /// `β`
        beta: f64,
    },
}

/// A coverage below this counts as this: the smallest normal number of f32, in which models compute
/// their weights. The logarithm of 0 would rank all hypotheses that leave a position out alike, at −∞.
const LEAST_COVERAGE: f64 = f32::MIN_POSITIVE as f64;

impl CoveragePenalty {
    fn beta(self) -> f64 {
        match self {
            Self::Gnmt { beta } | Self::Summary { beta } => beta,
        }
    }

    /// # Errors
    /// If `β` is negative, which would reward what the penalty is to punish, or above 1e18.
    pub fn validate(&self) -> Result<(), GenerateError> {
        let value = self.beta();
        if (0.0..=1e18).contains(&value) {
            return Ok(());
        }
        let range = "from 0 to 1e18";
        Err(GenerateError::Range { key: "coverage_penalty.beta", value, range })
    }

    /// The penalty of one hypothesis, of the coverage of each of its source positions.
    pub fn penalty(&self, coverage: &[f64]) -> f64 {
        let covered = coverage.iter();
        match *self {
            Self::Gnmt { beta } => {
                beta * covered.map(|c| c.clamp(LEAST_COVERAGE, 1.0).ln()).sum::<f64>()
            }
            Self::Summary { beta } => -beta * covered.map(|c| c.max(1.0) - 1.0).sum::<f64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln 0.5 + ln 0.25 = ln 0.125, and (2 - 1) + (1.5 - 1) = 1.5.
    #[test]
    fn the_penalties_are_their_equations() {
        let gnmt = CoveragePenalty::Gnmt { beta: 0.2 }.penalty(&[0.5, 0.25, 1.0, 3.0]);
        assert!((gnmt - 0.2 * 0.125_f64.ln()).abs() < 1e-15, "{gnmt}");
        let summary = CoveragePenalty::Summary { beta: 5.0 }.penalty(&[2.0, 0.25, 1.5]);
        assert_eq!(summary, -7.5);
        for penalty in [CoveragePenalty::Gnmt { beta: 0.2 }, CoveragePenalty::Summary { beta: 5.0 }]
        {
            assert_eq!(penalty.penalty(&[1.0; 3]), 0.0);
            assert_eq!(penalty.penalty(&[]), 0.0);
        }
    }

    /// A position that was left out ranks a hypothesis low, but at a finite score.
    #[test]
    fn a_position_without_attention_has_a_finite_penalty() {
        let gnmt = CoveragePenalty::Gnmt { beta: 1.0 };
        let [one, two] = [gnmt.penalty(&[1.0, 0.0]), gnmt.penalty(&[0.0, 0.0])];
        assert!(two.is_finite() && two < one && one < 0.0, "{one} {two}");
    }

    #[test]
    fn a_reward_and_a_typing_error_are_refused() {
        for beta in [-1.0, 1e300, f64::INFINITY, f64::NAN] {
            for penalty in [CoveragePenalty::Gnmt { beta }, CoveragePenalty::Summary { beta }] {
                let error = penalty.validate().unwrap_err().to_string();
                let expected = format!("coverage_penalty.beta = {beta} must be from 0 to 1e18");
                assert_eq!(error, expected);
            }
        }
        let read = |text| serde_json::from_str::<CoveragePenalty>(text);
        let error = read(r#"{ "name": "summary", "betta": 1 }"#).unwrap_err().to_string();
        assert!(error.contains("betta"), "{error}");
    }
}
