//! Block-local attention: blocks of one size that do not see each other.

use super::AttentionShape;
use super::pattern::Runs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

/// `p / size == j / size`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LocalBlocks(pub(super) NonZeroUsize);

impl Runs for LocalBlocks {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        [1, 1, shape.queries, shape.keys]
    }

    fn run(&self, shape: &AttentionShape, _b: usize, i: usize) -> Range<usize> {
        // The blocks before the first key hold none.
        let Ok(p) = usize::try_from(shape.position(i)) else { return 0..0 };
        let start = p - p % self.0;
        start..start.saturating_add(self.0.get()).min(shape.keys)
    }
}

impl fmt::Display for LocalBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local_blocks({})", self.0)
    }
}
