//! Where a mechanism fits: what a layer asks of a configuration before it makes anything.

use super::{AttentionConfig, MechanismConfig, MechanismError};
use crate::alignment::{AlignmentConfig, EntmaxAlpha, SigmoidBias, SinkConfig};
use crate::score::ScoreConfig;

impl MechanismConfig {
    /// Whether it can be what a decoder attends to itself with, step by step as at once.
    pub fn decodes(&self) -> bool {
        match self {
            // Its bias counts the keys that are still to come.
            Self::Attention(AttentionConfig {
                alignment: AlignmentConfig::Sigmoid(sigmoid),
                ..
            }) => sigmoid.bias != SigmoidBias::Keys,
            Self::Linformer(_) | Self::Lsh(_) => false,
            _ => true,
        }
    }

    /// Whether it can be what a decoder attends to a memory with, step by step as at once: with queries
    /// that have no position among the keys.
    pub fn cross_attends(&self) -> bool {
        match self {
            Self::Attention(config) => {
                !matches!(config.alignment, AlignmentConfig::AdaptiveSpan(_))
            }
            Self::Lsh(_) | Self::Retention(_) => false,
            _ => true,
        }
    }

    /// A lower bound of the numbers that it holds, learned or drawn, however large its sizes are: to
    /// refuse what no memory holds before anything is allocated.
    pub fn least_weights(&self) -> u128 {
        let product = |a: usize, b: usize| a as u128 * b as u128;
        match self {
            Self::Attention(config) => config.least_weights(),
            Self::Performer(config) => product(config.features, config.d_head),
            Self::Linformer(config) => product(config.max_keys, config.projected),
            Self::Lsh(config) => product(config.rounds, config.d_head),
            Self::LinearAttention(_) | Self::Retention(_) | Self::GatedDelta(_) => 0,
        }
    }

    /// The most keys that it can attend to; `None` without a limit.
    pub fn max_keys(&self) -> Option<usize> {
        match self {
            Self::Linformer(config) => Some(config.max_keys),
            Self::Attention(AttentionConfig { score: ScoreConfig::Location(score), .. }) => {
                Some(score.max_keys)
            }
            _ => None,
        }
    }

    /// Whether it is made for heads of this number and width, queries and keys alike.
    ///
    /// # Errors
    /// The first size that is another.
    pub fn check_heads(
        &self,
        heads: usize,
        kv_heads: usize,
        d_head: usize,
    ) -> Result<(), MechanismError> {
        let (mechanism, sizes) = match self {
            Self::Attention(config) => return config.check_heads(heads, d_head),
            Self::Performer(config) => ("performer", vec![("d_head", config.d_head, d_head)]),
            Self::Lsh(config) => ("lsh", vec![("d_head", config.d_head, d_head)]),
            Self::GatedDelta(config) => (
                "gated_delta",
                vec![("d_head", config.d_head, d_head), ("kv_heads", config.kv_heads, kv_heads)],
            ),
            Self::LinearAttention(_) | Self::Retention(_) | Self::Linformer(_) => return Ok(()),
        };
        check(mechanism, &sizes)
    }
}

impl AttentionConfig {
    fn check_heads(&self, heads: usize, d_head: usize) -> Result<(), MechanismError> {
        if let Some((d_query, d_key)) = self.score.widths() {
            let d_key = d_key.unwrap_or(d_head);
            check("score", &[("d_query", d_query, d_head), ("d_key", d_key, d_head)])?;
        }
        match &self.alignment {
            AlignmentConfig::Softmax(config) => {
                if let SinkConfig::Learned(found) = config.sink {
                    check("softmax", &[("sink heads", found, heads)])?;
                }
            }
            AlignmentConfig::Entmax(config) => {
                if let EntmaxAlpha::Learned(found) = config.alpha {
                    check("entmax", &[("learned heads", found, heads)])?;
                }
            }
            AlignmentConfig::AdaptiveSpan(config) => {
                check("adaptive_span", &[("heads", config.heads, heads)])?;
            }
            AlignmentConfig::LocalPredictive(config) => {
                check("local_p", &[("d_query", config.d_query, d_head)])?;
            }
            _ => {}
        }
        check("talking heads", &[("heads", self.talking_heads.unwrap_or(heads), heads)])
    }
}

/// Refuses the first size, `(field, found, expected)`, that is another than it should be.
fn check(
    mechanism: &'static str,
    sizes: &[(&'static str, usize, usize)],
) -> Result<(), MechanismError> {
    match sizes.iter().find(|(_, found, expected)| found != expected) {
        Some(&(field, found, expected)) => {
            Err(MechanismError::Fit { mechanism, field, found, expected })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::SoftmaxConfig;
    use crate::mechanism::{GatedDeltaConfig, LinformerConfig, PerformerConfig};
    use crate::score::{GeneralConfig, ScoreConfig};

    #[test]
    fn what_is_made_for_other_heads_is_refused_with_both_sizes() {
        let message =
            |config: MechanismConfig| config.check_heads(4, 2, 8).unwrap_err().to_string();
        let attention = AttentionConfig::new;
        let general = attention().with_score(ScoreConfig::General(GeneralConfig::new(8, 9)));
        assert_eq!(
            message(MechanismConfig::Attention(general)),
            "score: d_key = 9 does not fit, needs 8"
        );
        let sink = SoftmaxConfig::new().with_sink(SinkConfig::Learned(3));
        let sink = attention().with_alignment(AlignmentConfig::Softmax(sink));
        assert_eq!(
            message(MechanismConfig::Attention(sink)),
            "softmax: sink heads = 3 does not fit, needs 4"
        );
        assert_eq!(
            message(MechanismConfig::Attention(attention().with_talking_heads(5))),
            "talking heads: heads = 5 does not fit, needs 4"
        );
        assert_eq!(
            message(MechanismConfig::GatedDelta(GatedDeltaConfig::new(8, 4))),
            "gated_delta: kv_heads = 4 does not fit, needs 2"
        );
        assert_eq!(
            message(MechanismConfig::Performer(PerformerConfig::new(7, 32))),
            "performer: d_head = 7 does not fit, needs 8"
        );
        assert!(MechanismConfig::Attention(attention()).check_heads(4, 2, 8).is_ok());
    }

    #[test]
    fn what_needs_all_keys_at_once_does_not_decode() {
        assert!(!MechanismConfig::Linformer(LinformerConfig::new(8, 4)).decodes());
        assert!(MechanismConfig::GatedDelta(GatedDeltaConfig::new(8, 4)).decodes());
        assert!(MechanismConfig::default().decodes());
    }
}
