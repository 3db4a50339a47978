//! What a kernel needs to know of a mask.

use std::fmt::Debug;
use std::ops::Range;

/// How much of a tile, some rows and columns of the score matrix, is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tile {
    /// Nothing: need not be computed.
    Empty,
    /// Everything: need not be masked.
    Full,
    /// Some of it, or unknown: needs a look at each pair.
    Partial,
}

/// Which query sees which key, for sizes that are known: a mask as a kernel asks about it.
///
/// All answers must agree with each other; then nothing of size queries × keys need ever exist.
pub trait Visibility: Debug + Send + Sync {
    /// `[batch, heads, queries, keys]`, with 1 for each size that the answers do not depend on.
    fn dims(&self) -> [usize; 4];

    /// Class of the tile `rows` × `cols` (queries and keys), neither of them empty, of head `head`
    /// in batch row `batch`. `Empty` and `Full` must be true, `Partial` may mean "unknown".
    fn tile(&self, batch: usize, head: usize, rows: Range<usize>, cols: Range<usize>) -> Tile;

    /// Bit `k` is set if query `query` sees key `first + k`; bits of keys that do not exist are 0.
    fn bits(&self, batch: usize, head: usize, query: usize, first: usize) -> u64;
}
