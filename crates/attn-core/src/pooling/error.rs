//! Errors of pooling configurations.

/// Invalid pooling configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolingError {
    /// A size of zero.
    #[error("{pooling} pooling: {field} must be at least 1, got 0")]
    Zero {
        /// The name of the pooling.
        pooling: &'static str,
        /// The field of its config.
        field: &'static str,
    },
}

impl PoolingError {
    /// Refuses the first of the named sizes that is zero.
    pub(super) fn check_sizes(
        pooling: &'static str,
        sizes: &[(&'static str, usize)],
    ) -> Result<(), Self> {
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some(&(field, _)) => Err(Self::Zero { pooling, field }),
            None => Ok(()),
        }
    }
}
