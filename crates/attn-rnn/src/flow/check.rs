//! Whether an attention fits the states and annotations that meet in it.

use super::Widths;
use crate::config::{ConfigError, check_size};
use attn_core::alignment::AlignmentConfig;
use attn_core::mechanism::AttentionConfig;
use attn_core::score::ScoreConfig;

pub(super) fn check_attention(
    attention: &AttentionConfig,
    widths: Widths,
) -> Result<(), ConfigError> {
    attention.validate()?;
    let (d_query, d_key) = match &attention.score {
        ScoreConfig::General(score) => (Some(score.d_query), Some(score.d_key)),
        ScoreConfig::Additive(score) => (Some(score.d_query), Some(score.d_key)),
        ScoreConfig::Concat(score) => (Some(score.d_query), Some(score.d_key)),
        ScoreConfig::LocationAware(score) => (Some(score.d_query), Some(score.d_key)),
        ScoreConfig::Coverage(score) => (Some(score.d_query), Some(score.d_key)),
        ScoreConfig::Location(score) => (Some(score.d_query), None),
        // These compare a query with a key as they are.
        ScoreConfig::Dot(_)
        | ScoreConfig::ScaledDot(_)
        | ScoreConfig::Cosine(_)
        | ScoreConfig::L2(_)
        | ScoreConfig::Gaussian(_) => (None, Some(widths.hidden)),
    };
    let of_query = "the width of a state of the decoder";
    let of_key = "the width of an annotation";
    if let Some(d_query) = d_query {
        check_size("attention.score.d_query", d_query, widths.hidden, of_query)?;
        if let Some(d_key) = d_key {
            check_size("attention.score.d_key", d_key, widths.annotation, of_key)?;
        }
    } else if let Some(d_hidden) = d_key {
        let reason = "the width of an annotation, with which the score compares it";
        check_size("decoder.recurrent.d_hidden", d_hidden, widths.annotation, reason)?;
    }
    match &attention.alignment {
        AlignmentConfig::LocalPredictive(alignment) => {
            check_size("attention.alignment.d_query", alignment.d_query, widths.hidden, of_query)?;
        }
        AlignmentConfig::AdaptiveSpan(alignment) => {
            check_size("attention.alignment.heads", alignment.heads, 1, "for a decoder has one")?;
        }
        _ => {}
    }
    let heads = attention.talking_heads.unwrap_or(1);
    check_size("attention.talking_heads", heads, 1, "for a decoder has one")
}
