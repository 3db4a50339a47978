//! Checks of single numbers of a configuration.

/// A number that no configuration may have under its key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A size or count is zero.
    #[error("{key} is 0, must be at least 1")]
    Zero {
        /// The key in question.
        key: &'static str,
    },
    /// A probability outside `[0, 1)`.
    #[error("{key} = {value} is outside [0, 1)")]
    Probability {
        /// The key in question.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A number that must be positive and finite.
    #[error("{key} = {value} must be positive and finite")]
    NotPositive {
        /// The key in question.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A file from a later build, or version 0, which no build ever wrote.
    #[error("version {version} is unknown, this build reads 1 to {newest}")]
    Version {
        /// The version found.
        version: u32,
        /// The newest that this build reads.
        newest: u32,
    },
}

/// Refuses a size or count of zero.
///
/// # Errors
/// [`ValueError::Zero`], with the key.
pub fn check_nonzero(key: &'static str, value: usize) -> Result<(), ValueError> {
    if value > 0 { Ok(()) } else { Err(ValueError::Zero { key }) }
}

/// Refuses what is not in `[0, 1)`, as a probability to drop must be: of what is dropped for sure,
/// nothing is left to scale.
///
/// # Errors
/// [`ValueError::Probability`], with the key and its value.
pub fn check_probability(key: &'static str, value: f64) -> Result<(), ValueError> {
    if (0.0..1.0).contains(&value) { Ok(()) } else { Err(ValueError::Probability { key, value }) }
}

/// Refuses what is not positive and finite.
///
/// # Errors
/// [`ValueError::NotPositive`], with the key and its value.
pub fn check_positive(key: &'static str, value: f64) -> Result<(), ValueError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(ValueError::NotPositive { key, value })
    }
}

/// Refuses a version that is not from 1 to `newest`.
///
/// # Errors
/// [`ValueError::Version`], with both.
pub fn check_version(version: u32, newest: u32) -> Result<(), ValueError> {
    if (1..=newest).contains(&version) {
        Ok(())
    } else {
        Err(ValueError::Version { version, newest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_where_they_are_said_to_be() {
        assert!(check_nonzero("layers", 1).is_ok());
        assert!(check_nonzero("layers", 0).is_err());
        for (value, fits) in [(0.0, true), (0.999, true), (1.0, false), (-0.1, false)] {
            assert_eq!(check_probability("dropout", value).is_ok(), fits, "{value}");
        }
        for (value, fits) in [(f64::MIN_POSITIVE, true), (0.0, false), (f64::INFINITY, false)] {
            assert_eq!(check_positive("base", value).is_ok(), fits, "{value}");
        }
        assert!(check_probability("dropout", f64::NAN).is_err());
        assert!(check_positive("base", f64::NAN).is_err());
        for (version, known) in [(0, false), (1, true), (3, true), (4, false)] {
            assert_eq!(check_version(version, 3).is_ok(), known, "{version}");
        }
    }

    #[test]
    fn the_key_and_its_value_are_named() {
        let message = |checked: Result<(), ValueError>| checked.unwrap_err().to_string();
        assert_eq!(message(check_nonzero("layers", 0)), "layers is 0, must be at least 1");
        let probability = message(check_probability("dropout", 1.5));
        assert_eq!(probability, "dropout = 1.5 is outside [0, 1)");
        let positive = message(check_positive("base", -2.0));
        assert_eq!(positive, "base = -2 must be positive and finite");
        let version = message(check_version(4, 3));
        assert_eq!(version, "version 4 is unknown, this build reads 1 to 3");
    }
}
