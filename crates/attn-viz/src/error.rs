//! What can go wrong.

use std::{io, path::PathBuf};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// There is nothing to show.
    #[error("an alignment of {heads} heads, {queries} queries and {keys} keys has nothing to show")]
    Empty {
        /// Number of heads.
        heads: usize,
        /// Number of queries.
        queries: usize,
        /// Number of keys.
        keys: usize,
    },
    /// There is not one weight for each head, query and key.
    #[error("{given} weights for {heads} heads × {queries} queries × {keys} keys")]
    Weights {
        /// Number of weights.
        given: usize,
        /// Number of heads.
        heads: usize,
        /// Number of queries.
        queries: usize,
        /// Number of keys.
        keys: usize,
    },
    /// A weight is not in [0, 1].
    #[error("the weight of head {head}, query {query}, key {key} is {value}, not in [0, 1]")]
    Weight {
        /// The head, from 0.
        head: usize,
        /// The query, from 0.
        query: usize,
        /// The key, from 0.
        key: usize,
        /// Its weight.
        value: f32,
    },
    /// There is not one name for each head.
    #[error("{given} names for {heads} heads")]
    HeadNames {
        /// Number of names.
        given: usize,
        /// Number of heads.
        heads: usize,
    },
    /// The file cannot be written. One that was there before is still whole.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
