//! Pairs that are longer than a model takes.

use serde::{Deserialize, Serialize};

use super::{BatchError, TokenPair};
use crate::data::Side;

/// Most steps that a model takes on each side; see [`TokenPair::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    /// Steps of a source.
    pub source: usize,
    /// Steps of a target, with `<s>` or `</s>`.
    pub target: usize,
}

/// What to do with a pair that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlong {
    /// Stop with an error.
    #[default]
    Refuse,
    /// Leave the pair out, as is usual for training data.
    Drop,
    /// Cut its long side. A target cut short teaches a model to stop early.
    Truncate,
}

/// Sees to it that no pair is longer than `max`; returns how many were dropped or cut.
///
/// # Errors
/// If a pair is too long and such pairs are refused. No pair is changed then.
///
/// # Panics
/// If `max.target` is 0, which leaves no room for `</s>`.
pub fn limit_lengths(
    pairs: &mut Vec<TokenPair>,
    max: Lengths,
    overlong: Overlong,
) -> Result<usize, BatchError> {
    assert!(max.target > 0, "a target needs at least one step, got a maximum of 0");
    let excess = |pair: &TokenPair| {
        let [source, target] = pair.steps();
        let over = |side, steps, max| (steps > max).then_some((side, steps, max));
        over(Side::Source, source, max.source).or(over(Side::Target, target, max.target))
    };
    let count = pairs.iter().filter(|pair| excess(pair).is_some()).count();
    match overlong {
        Overlong::Refuse => {
            let mut found = pairs.iter().enumerate();
            if let Some((index, (side, steps, max))) =
                found.find_map(|(index, pair)| Some((index, excess(pair)?)))
            {
                return Err(BatchError::TooLong { pair: index + 1, side, steps, max });
            }
        }
        Overlong::Drop => pairs.retain(|pair| excess(pair).is_none()),
        Overlong::Truncate => {
            for pair in pairs.iter_mut() {
                pair.source.truncate(max.source);
                pair.target.truncate(max.target - 1);
            }
        }
    }
    Ok(count)
}
