//! What a kind of mask must know of itself; all else follows from it.

use super::{AttentionShape, Tile, bits};
use std::fmt::Display;
use std::ops::Range;

/// A mask that is not a combination of others.
pub(super) trait Pattern: Display {
    /// `[batch, heads, queries, keys]`, with 1 for each size that the pattern does not depend on.
    fn dims(&self, shape: &AttentionShape) -> [usize; 4];

    /// Whether the pattern covers the shape; else what is wrong, with both values.
    fn check(&self, _shape: &AttentionShape) -> Result<(), String> {
        Ok(())
    }

    /// The sizes that lists and matrices of the pattern have, for a picture of it.
    fn own_sizes(&self) -> [Option<usize>; 4] {
        [None; 4]
    }

    /// Whether query `i` sees key `j`: the meaning that the other methods must agree with.
    fn sees(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, j: usize) -> bool;

    /// Writes what query `i` sees to a row, as long as the last of [`dims`](Self::dims), of which
    /// every element is `false`.
    fn fill(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, row: &mut [bool]);

    /// Class of the pairs `rows` × `cols`, neither of them empty.
    fn tile(
        &self,
        shape: &AttentionShape,
        b: usize,
        h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile;

    /// What query `i` sees of 64 keys: bit `k` is set iff it sees key `first + k`. Where there is no
    /// such key, the bit may be anything.
    fn bits(&self, shape: &AttentionShape, b: usize, h: usize, i: usize, first: usize) -> u64;
}

/// A pattern in which the keys that a query sees are neighbours.
pub(super) trait Runs: Display {
    /// As [`Pattern::dims`].
    fn dims(&self, shape: &AttentionShape) -> [usize; 4];

    /// As [`Pattern::check`].
    fn check(&self, _shape: &AttentionShape) -> Result<(), String> {
        Ok(())
    }

    /// As [`Pattern::own_sizes`].
    fn own_sizes(&self) -> [Option<usize>; 4] {
        [None; 4]
    }

    /// The keys that query `i` of batch row `b` sees, within `0..keys`.
    ///
    /// From one query to the next neither end may fall, and an empty run lies at 0 or at `keys`:
    /// then the corners of a tile decide what is in it.
    fn run(&self, shape: &AttentionShape, b: usize, i: usize) -> Range<usize>;
}

impl<R: Runs> Pattern for R {
    fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        Runs::dims(self, shape)
    }

    fn check(&self, shape: &AttentionShape) -> Result<(), String> {
        Runs::check(self, shape)
    }

    fn own_sizes(&self) -> [Option<usize>; 4] {
        Runs::own_sizes(self)
    }

    fn sees(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, j: usize) -> bool {
        self.run(shape, b, i).contains(&j)
    }

    fn fill(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, row: &mut [bool]) {
        row[self.run(shape, b, i)].fill(true);
    }

    /// Exact, by a binary search over the rows.
    fn tile(
        &self,
        shape: &AttentionShape,
        b: usize,
        _h: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Tile {
        // Ends never fall: the first row ends first, the last row starts last.
        let first = self.run(shape, b, rows.start);
        let last = self.run(shape, b, rows.end - 1);
        if last.start <= cols.start && cols.end <= first.end {
            return Tile::Full;
        }
        // Of the rows whose run ends inside or behind the tile, the first starts foremost.
        let reaching = first_row(rows.clone(), |i| self.run(shape, b, i).end > cols.start);
        if reaching < rows.end && self.run(shape, b, reaching).start < cols.end {
            Tile::Partial
        } else {
            Tile::Empty
        }
    }

    fn bits(&self, shape: &AttentionShape, b: usize, _h: usize, i: usize, first: usize) -> u64 {
        bits::of_run(self.run(shape, b, i), first)
    }
}

/// The first of `rows` for which `holds`, else their end; it must hold for all that follow one.
fn first_row(rows: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = rows;
    while start < end {
        let middle = start.midpoint(end);
        if holds(middle) {
            end = middle;
        } else {
            start = middle + 1;
        }
    }
    end
}

/// The entry of a batch row in a list that has one per row, or one for all.
pub(super) fn entry<T>(list: &[T], b: usize) -> &T {
    if let [all] = list { all } else { &list[b] }
}

/// A size that a list or matrix fixes; 1 serves any.
pub(super) fn fixed(size: usize) -> Option<usize> {
    (size != 1).then_some(size)
}

/// Whether a list has one entry per batch row, or one for all.
pub(super) fn check_entries(
    what: &str,
    entries: usize,
    shape: &AttentionShape,
) -> Result<(), String> {
    if entries == 1 || entries == shape.batch {
        return Ok(());
    }
    let batch = shape.batch;
    Err(format!("{what} has {entries} entries, but the batch has {batch} rows: needs 1 or {batch}"))
}

/// The row of a matrix of `rows` × `cols` positions that query 0 reads, if the matrix covers the
/// shape.
///
/// The matrix is aligned as attention is, its last row belongs to its last column: query `i` reads
/// row `p - (cols - rows)`, where `p` is its position. So a matrix made for a whole sequence serves
/// each chunk of it.
pub(super) fn first_matrix_row(rows: usize, cols: usize, shape: &AttentionShape) -> Option<usize> {
    // `p - (cols - rows)` for query 0, without a sum that might be negative. With `keys <= cols` the
    // last query's row is in the matrix, too.
    let AttentionShape { queries, keys, .. } = *shape;
    let first = keys.checked_add(rows)?.checked_sub(queries.checked_add(cols)?);
    first.filter(|_| keys <= cols)
}
