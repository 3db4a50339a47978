//! Positions of the steps of a sequence, and how they enter a model.
//!
//! [`Positions`] says which position each step has; it is data, like a mask. [`PositionConfig`]
//! says how a model hears of it: as vectors added to its input, or as a rotation of its queries and
//! keys.

mod rotary;
mod scaling;
mod sinusoidal;

pub use rotary::{Pairing, RotaryConfig, Rotation};
pub use scaling::FrequencyScaling;
pub use sinusoidal::sinusoids;

use crate::config::{ConfigError, check_nonzero};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The position of every step of every sequence of a batch.
///
/// A step is named by its index among all steps so far, as a key is in a mask: with a cache of 7
/// steps, the next one has index 7. So the same value serves the whole sequence at once, its
/// chunks, and its single steps. A list with one entry serves every sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Step `j` has position `j`.
    #[default]
    Contiguous,
    /// Step `j` of sequence `b` has position `j - pads[b]`; the padding in front of it has 0.
    LeftPadded(Vec<usize>),
    /// Positions begin at 0 again in each document of a packed sequence. `lengths[b]` are the
    /// lengths of its documents; what follows the last one counts as one more.
    Documents(Vec<Vec<usize>>),
    /// Step `j` of sequence `b` has position `rows[b][j]`.
    Rows(Vec<Vec<usize>>),
}

impl Positions {
    /// The positions of the steps `range` of `batch` sequences: one row for each, or a single row
    /// if they do not differ.
    ///
    /// # Panics
    /// If there are lists, but neither one nor `batch`, or explicit rows end before `range` does.
    pub fn rows(&self, batch: usize, range: Range<usize>) -> Vec<Vec<usize>> {
        let check = |lists: usize| {
            assert!(
                lists == 1 || lists == batch,
                "positions are given for {lists} sequences, the batch has {batch}"
            );
        };
        match self {
            Self::Contiguous => vec![range.collect()],
            Self::LeftPadded(pads) => {
                check(pads.len());
                let row = |&pad: &usize| range.clone().map(|j| j.saturating_sub(pad)).collect();
                pads.iter().map(row).collect()
            }
            Self::Documents(lengths) => {
                check(lengths.len());
                lengths.iter().map(|lengths| within_documents(lengths, range.clone())).collect()
            }
            Self::Rows(rows) => {
                check(rows.len());
                let row = |row: &Vec<usize>| match row.get(range.clone()) {
                    Some(part) => part.to_vec(),
                    None => panic!("positions are given for {} steps, got {range:?}", row.len()),
                };
                rows.iter().map(row).collect()
            }
        }
    }

    /// The positions of the sequences `rows`, in that order; sequences may repeat or vanish.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        fn select<T: Clone>(lists: &[T], rows: &[usize]) -> Vec<T> {
            match lists {
                [shared] => vec![shared.clone()],
                _ => rows.iter().map(|&row| lists[row].clone()).collect(),
            }
        }
        match self {
            Self::Contiguous => Self::Contiguous,
            Self::LeftPadded(pads) => Self::LeftPadded(select(pads, rows)),
            Self::Documents(lengths) => Self::Documents(select(lengths, rows)),
            Self::Rows(explicit) => Self::Rows(select(explicit, rows)),
        }
    }
}

fn within_documents(lengths: &[usize], range: Range<usize>) -> Vec<usize> {
    let starts = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
    // The last start at or before `j`; the first is 0, so there is one.
    range.map(|j| j - starts[starts.partition_point(|&start| start <= j) - 1]).collect()
}

/// How a model hears of positions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PositionConfig {
    /// Not at all; a causal mask alone lets a model count (Haviv et al. 2022).
    None,
    /// Fixed waves added to the input ([`sinusoids`]); of any length.
    #[default]
    Sinusoidal,
    /// A learned vector for each position, added to the input (Gehring et al. 2017, section 3.1).
    Learned {
        /// Number of positions; a longer sequence is refused.
        max_len: usize,
    },
    /// A rotation of queries and keys; of any length.
    Rotary(RotaryConfig),
}

impl PositionConfig {
    /// The number of steps a sequence may have; `None` if there is no bound.
    pub fn max_len(&self) -> Option<usize> {
        match self {
            Self::Learned { max_len } => Some(*max_len),
            Self::None | Self::Sinusoidal | Self::Rotary(_) => None,
        }
    }

    pub(crate) fn validate(&self, d_model: usize, d_head: usize) -> Result<(), ConfigError> {
        match self {
            Self::None => Ok(()),
            Self::Sinusoidal if d_model % 2 == 1 => Err(ConfigError::OddSinusoidal { d_model }),
            Self::Sinusoidal => Ok(()),
            Self::Learned { max_len } => Ok(check_nonzero("max_len", *max_len)?),
            Self::Rotary(rotary) => rotary.validate(d_head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_chunk_are_a_part_of_the_whole() {
        let all = [
            (Positions::Contiguous, vec![vec![0, 1, 2, 3, 4, 5, 6]]),
            (
                Positions::LeftPadded(vec![2, 0]),
                vec![vec![0, 0, 0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4, 5, 6]],
            ),
            (
                // An empty document takes no step; what follows the last one begins anew.
                Positions::Documents(vec![vec![3, 0, 2], vec![7]]),
                vec![vec![0, 1, 2, 0, 1, 0, 1], vec![0, 1, 2, 3, 4, 5, 6]],
            ),
            (
                Positions::Rows(vec![vec![9, 7, 5, 3, 1, 0, 2], vec![4; 7]]),
                vec![vec![9, 7, 5, 3, 1, 0, 2], vec![4; 7]],
            ),
        ];
        for (positions, expected) in all {
            assert_eq!(positions.rows(2, 0..7), expected);
            for range in [0..3, 2..2, 3..7, 6..7] {
                let part: Vec<_> = expected.iter().map(|row| row[range.clone()].to_vec()).collect();
                assert_eq!(positions.rows(2, range), part);
            }
        }
    }

    #[test]
    fn a_list_with_one_entry_serves_every_sequence() {
        let positions = Positions::LeftPadded(vec![1]);
        assert_eq!(positions.rows(5, 0..3), [[0, 0, 1]]);
        assert_eq!(positions.select_rows(&[4, 4]), positions);
        assert_eq!(
            Positions::LeftPadded(vec![1, 2, 3]).select_rows(&[2, 0, 2]),
            Positions::LeftPadded(vec![3, 1, 3])
        );
    }
}
