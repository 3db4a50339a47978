//! Whether an attention fits the decoder's states, its queries, and the annotations, its keys.

use super::Widths;
use crate::config::{ConfigError, check_size};
use attn_core::alignment::AlignmentConfig;
use attn_core::mechanism::AttentionConfig;

pub(super) fn check_attention(
    attention: &AttentionConfig,
    widths: Widths,
) -> Result<(), ConfigError> {
    attention.validate()?;
    let of_query = "the width of a state of the decoder";
    let of_key = "the width of an annotation";
    match attention.score.widths() {
        Some((d_query, d_key)) => {
            check_size("attention.score.d_query", d_query, widths.hidden, of_query)?;
            if let Some(d_key) = d_key {
                check_size("attention.score.d_key", d_key, widths.annotation, of_key)?;
            }
        }
        None => {
            let reason = "the width of an annotation, with which the score compares it";
            check_size("decoder.recurrent.d_hidden", widths.hidden, widths.annotation, reason)?;
        }
    }
    match &attention.alignment {
        AlignmentConfig::LocalPredictive(alignment) => {
            check_size("attention.alignment.d_query", alignment.d_query, widths.hidden, of_query)?;
        }
        AlignmentConfig::AdaptiveSpan(alignment) => {
            check_size(
                "attention.alignment.heads",
                alignment.heads,
                1,
                "the number of heads of a decoder",
            )?;
        }
        _ => {}
    }
    let heads = attention.talking_heads.unwrap_or(1);
    check_size("attention.talking_heads", heads, 1, "the number of heads of a decoder")
}
