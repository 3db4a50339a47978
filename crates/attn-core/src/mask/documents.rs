//! Packed sequences: several documents in one batch row that do not see each other.

use super::AttentionShape;
use super::art::List;
use super::error::MaskError;
use super::pattern::{Runs, check_entries, entry, fixed};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// `p` and `j` are in one document. What lies behind the last document is padding.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<usize>>", into = "Vec<Vec<usize>>")]
pub(super) struct Documents {
    /// Of each batch row, where each document ends: the sums of the lengths so far.
    ends: Vec<Vec<usize>>,
}

impl Documents {
    pub(super) fn new(lengths: &[Vec<usize>]) -> Result<Self, MaskError> {
        let ends = lengths.iter().map(|row| {
            let mut end = 0_usize;
            let ends = row.iter().map(|&length| {
                end = end.checked_add(length).ok_or(MaskError::TooLong { end, length })?;
                Ok(end)
            });
            ends.collect()
        });
        Ok(Self { ends: ends.collect::<Result<_, _>>()? })
    }

    pub(super) fn lengths(&self) -> Vec<Vec<usize>> {
        let lengths = |ends: &Vec<usize>| {
            let starts = std::iter::once(&0).chain(ends);
            ends.iter().zip(starts).map(|(end, start)| end - start).collect()
        };
        self.ends.iter().map(lengths).collect()
    }

    pub(super) fn rows(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn select(&self, pick: impl Fn(&[Vec<usize>]) -> Vec<Vec<usize>>) -> Self {
        Self { ends: pick(&self.ends) }
    }
}

impl Runs for Documents {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [self.rows(), 1, shape.queries, shape.keys]
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        check_entries("documents", self.rows(), shape)
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        [fixed(self.rows()), None, None, None]
    }

    fn run(&self, shape: &AttentionShape, b: usize, i: usize) -> Range<usize> {
        let keys = shape.keys;
        let Ok(p) = usize::try_from(shape.position(i)) else { return 0..0 };
        let ends = entry(&self.ends, b);
        let document = ends.partition_point(|&end| end <= p);
        let Some(&end) = ends.get(document) else { return keys..keys };
        let start = if document == 0 { 0 } else { ends[document - 1] };
        start..end.min(keys)
    }
}

impl fmt::Display for Documents {
    /// `documents(3 + 4, 7)`: two rows, of two documents and of one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |lengths: &Vec<usize>| {
            lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ")
        };
        let rows: Vec<_> = self.lengths().iter().map(row).collect();
        write!(f, "documents({})", List(&rows))
    }
}

impl TryFrom<Vec<Vec<usize>>> for Documents {
    type Error = MaskError;

    fn try_from(lengths: Vec<Vec<usize>>) -> Result<Self, MaskError> {
        Self::new(&lengths)
    }
}

impl From<Documents> for Vec<Vec<usize>> {
    fn from(documents: Documents) -> Self {
        documents.lengths()
    }
}
