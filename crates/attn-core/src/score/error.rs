//! Errors of score configurations.

/// Invalid score configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// A width of zero.
    #[error("{score} score: {field} must be at least 1, got 0")]
    ZeroWidth {
        /// The name of the score.
        score: &'static str,
        /// The field of its config.
        field: &'static str,
    },
    /// A factor that is not positive, or whose square or inverse is out of the range of f32.
    #[error("{score} score: {field} must be from 1e-18 to 1e18, got {value}")]
    Factor {
        /// The name of the score.
        score: &'static str,
        /// The field of its config.
        field: &'static str,
        /// What it was.
        value: f64,
    },
    /// A convolution kernel without a center.
    #[error("{score} score: kernel must be odd, got {kernel}")]
    EvenKernel {
        /// The name of the score.
        score: &'static str,
        /// Number of keys that it covers.
        kernel: usize,
    },
}

impl ScoreError {
    /// Refuses the first of the named widths that is zero.
    pub(super) fn check_widths(
        score: &'static str,
        widths: &[(&'static str, usize)],
    ) -> Result<(), Self> {
        match widths.iter().find(|(_, width)| *width == 0) {
            Some(&(field, _)) => Err(Self::ZeroWidth { score, field }),
            None => Ok(()),
        }
    }

    /// Refuses a factor that is not from 1e-18 to 1e18.
    pub(super) fn check_factor(
        score: &'static str,
        field: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if (1e-18..=1e18).contains(&value) {
            Ok(())
        } else {
            Err(Self::Factor { score, field, value })
        }
    }
}
