//! Errors of the pointer-generator.

/// Why a pointer-generator or the words that it is to copy are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// A size of zero.
    #[error("pointer-generator: {field} must be at least 1, got 0")]
    Zero {
        /// What it is the size of.
        field: &'static str,
    },
    /// A word that is not in the extended vocabulary.
    #[error(
        "source word {key} of row {row} has the id {id}, not in an extended vocabulary of {extended}"
    )]
    Id {
        /// The batch row.
        row: usize,
        /// The position in the source.
        key: usize,
        /// The id.
        id: i64,
        /// The size of the extended vocabulary.
        extended: usize,
    },
}

impl PointerError {
    /// Refuses the first of the named sizes that is zero.
    pub(super) fn check_sizes(sizes: &[(&'static str, usize)]) -> Result<(), Self> {
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some(&(field, _)) => Err(Self::Zero { field }),
            None => Ok(()),
        }
    }
}
