//! What can be wrong with the configuration of a mechanism.

use crate::alignment::AlignmentError;
use crate::score::ScoreError;

/// Why the configuration of a mechanism is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MechanismError {
    /// That of its score is.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// That of its alignment is.
    #[error(transparent)]
    Alignment(#[from] AlignmentError),
    /// A size of zero.
    #[error("{mechanism}: {field} must be at least 1, got 0")]
    Zero {
        /// The name of the mechanism.
        mechanism: &'static str,
        /// The field of its config.
        field: &'static str,
    },
    /// A number outside of its range.
    #[error("{mechanism}: {field} must be {range}, got {value}")]
    Range {
        /// The name of the mechanism.
        mechanism: &'static str,
        /// The field of its config.
        field: &'static str,
        /// What it must be, in words.
        range: &'static str,
        /// What it was.
        value: f64,
    },
    /// A size that is not that of the heads it is to work on.
    #[error("{mechanism}: {field} = {found} does not fit, needs {expected}")]
    Fit {
        /// The name of the mechanism, or of its part.
        mechanism: &'static str,
        /// The field of its config.
        field: &'static str,
        /// What it was.
        found: usize,
        /// What it must be.
        expected: usize,
    },
    /// A size that does not split into equal parts.
    #[error("{mechanism}: {field} = {size} does not split evenly into {into}")]
    Uneven {
        /// The name of the mechanism.
        mechanism: &'static str,
        /// The field of its config.
        field: &'static str,
        /// What it was.
        size: usize,
        /// The number of parts.
        into: usize,
    },
    /// An alignment of other heads than those that talk.
    #[error("attention: talking_heads = {talking}, but an alignment of {alignment} heads")]
    Heads {
        /// Heads that talk.
        talking: usize,
        /// Heads of the alignment.
        alignment: usize,
    },
    /// A score and an alignment of queries that are not of one width.
    #[error("attention: a score of d_query = {score}, but an alignment of d_query = {alignment}")]
    QueryWidth {
        /// Width of the score's queries.
        score: usize,
        /// Width of the alignment's queries.
        alignment: usize,
    },
    /// Sizes whose product is more than there may be numbers in memory.
    #[error("{mechanism}: {fields} make more numbers than can be counted")]
    Uncountable {
        /// The name of the mechanism.
        mechanism: &'static str,
        /// The fields of its config.
        fields: &'static str,
    },
}

impl MechanismError {
    /// Refuses sizes of which a matrix is made that no memory could hold, before they are multiplied.
    ///
    /// # Errors
    /// [`Uncountable`](Self::Uncountable).
    pub fn check_product(
        mechanism: &'static str,
        fields: &'static str,
        sizes: &[usize],
    ) -> Result<(), Self> {
        let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        // Numbers are of up to eight bytes.
        match product {
            Some(numbers) if numbers <= isize::MAX as usize / 8 => Ok(()),
            _ => Err(Self::Uncountable { mechanism, fields }),
        }
    }

    /// Refuses the first of the named sizes that is zero.
    ///
    /// # Errors
    /// [`Zero`](Self::Zero).
    pub fn check_sizes(
        mechanism: &'static str,
        sizes: &[(&'static str, usize)],
    ) -> Result<(), Self> {
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some(&(field, _)) => Err(Self::Zero { mechanism, field }),
            None => Ok(()),
        }
    }

    /// Refuses a number that is not positive and finite.
    pub(crate) fn check_positive(
        mechanism: &'static str,
        field: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if value > 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(Self::Range { mechanism, field, range: "positive and finite", value })
        }
    }

    /// Refuses a probability that is not in `[0, 1)`.
    ///
    /// # Errors
    /// [`Range`](Self::Range).
    pub fn check_probability(
        mechanism: &'static str,
        field: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if (0.0..1.0).contains(&value) {
            Ok(())
        } else {
            Err(Self::Range { mechanism, field, range: "in [0, 1)", value })
        }
    }
}
