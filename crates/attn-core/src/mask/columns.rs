//! Summary columns: the last keys of every so many, for every query.

use super::error::MaskError;
use super::pattern::Pattern;
use super::{AttentionShape, Tile, bits};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// `j % step >= step - width`, where `1 <= width <= step`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub(super) struct Columns {
    step: usize,
    width: usize,
}

impl Columns {
    pub(super) fn new(step: usize, width: usize) -> Result<Self, MaskError> {
        if (1..=step).contains(&width) {
            Ok(Self { step, width })
        } else {
            Err(MaskError::Columns { step, width })
        }
    }

    /// The first visible key of each step.
    fn first(&self) -> usize {
        self.step - self.width
    }
}

impl Pattern for Columns {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [1, 1, 1, shape.keys]
    }

    fn sees(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, j: usize) -> bool {
        j % self.step >= self.first()
    }

    fn fill(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, row: &mut [bool]) {
        for keys in row.chunks_mut(self.step) {
            keys.iter_mut().skip(self.first()).for_each(|cell| *cell = true);
        }
    }

    /// Exact: what neither leaves the visible nor the hidden part of a step is one of them.
    fn tile(
        &self,
        _shape: &AttentionShape,
        _b: usize,
        _h: usize,
        _rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        let start = cols.start % self.step;
        // Without a sum, which might be more than can be counted.
        let within = |end: usize| start <= end && cols.len() <= end - start;
        if self.width == self.step || (start >= self.first() && within(self.step)) {
            Tile::Full
        } else if within(self.first()) {
            Tile::Empty
        } else {
            Tile::Partial
        }
    }

    fn bits(&self, _shape: &AttentionShape, _b: usize, _h: usize, _i: usize, first: usize) -> u64 {
        let start = first - first % self.step;
        let steps = (start..first + 64).step_by(self.step);
        steps.fold(0, |all, start| {
            let [from, to] = [self.first(), self.step].map(|key| start.saturating_add(key));
            all | bits::of_run(from..to, first)
        })
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "columns({} of {})", self.width, self.step)
    }
}

/// How the columns are written to a file.
#[derive(Serialize, Deserialize)]
#[serde(rename = "columns", deny_unknown_fields)]
struct Text {
    step: usize,
    width: usize,
}

impl TryFrom<Text> for Columns {
    type Error = MaskError;

    fn try_from(Text { step, width }: Text) -> Result<Self, MaskError> {
        Self::new(step, width)
    }
}

impl From<Columns> for Text {
    fn from(Columns { step, width }: Columns) -> Self {
        Self { step, width }
    }
}
