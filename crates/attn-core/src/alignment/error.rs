//! Errors of alignment configurations.

/// Invalid alignment configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignmentError {
    /// A size of zero.
    #[error("{alignment} alignment: {field} must be at least 1, got 0")]
    Zero {
        /// The name of the alignment.
        alignment: &'static str,
        /// The field of its config.
        field: &'static str,
    },
    /// A number outside of its range.
    #[error("{alignment} alignment: {field} must be {range}, got {value}")]
    Range {
        /// The name of the alignment.
        alignment: &'static str,
        /// The field of its config.
        field: &'static str,
        /// What it must be, in words.
        range: &'static str,
        /// What it was.
        value: f64,
    },
}

impl AlignmentError {
    /// Refuses the first of the named sizes that is zero.
    pub(crate) fn check_sizes(
        alignment: &'static str,
        sizes: &[(&'static str, usize)],
    ) -> Result<(), Self> {
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some(&(field, _)) => Err(Self::Zero { alignment, field }),
            None => Ok(()),
        }
    }
}
