//! The sizes of one attention.

/// How many queries look at how many keys, in how many batch rows and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttentionShape {
    /// Batch rows.
    pub batch: usize,
    /// Query heads.
    pub heads: usize,
    /// Queries of a row.
    pub queries: usize,
    /// Keys of a row.
    pub keys: usize,
}

impl AttentionShape {
    /// Position of query `i` among the keys, `i + keys - queries`: the last query belongs to the
    /// last key. Negative for the first queries if these outnumber the keys.
    pub fn position(&self, i: usize) -> isize {
        self.keys as isize - self.queries as isize + i as isize
    }
}
