//! Numbers of the command line, with limits that memory gives.

use std::ops::RangeInclusive;

/// A number in a range; `why` says what its end is for.
///
/// # Errors
///
/// Names the range and the reason.
pub fn count(text: &str, range: RangeInclusive<usize>, why: &str) -> Result<usize, String> {
    let (least, most) = (range.start(), range.end());
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}: {why}")),
    }
}

/// A number of beams.
///
/// # Errors
///
/// Names the range and the reason.
pub fn beams(text: &str) -> Result<usize, String> {
    count(text, 1..=1024, "every beam keeps a decoder's state of its own in memory")
}

/// A number of tokens in a vocabulary.
///
/// # Errors
///
/// Names the range and the reason.
pub fn vocabulary(text: &str) -> Result<usize, String> {
    // 2^20 · 256 · 4 bytes, four times.
    let why = "at 256 features a token, 1048576 embeddings take 4 GiB in training, with their \
               gradient and the two moments of AdamW";
    count(text, 5..=1 << 20, why)
}

/// A number of lines that are answered together.
///
/// # Errors
///
/// Names the range and the reason.
pub fn window(text: &str) -> Result<usize, String> {
    count(text, 1..=1 << 16, "so many lines and their answers are kept in memory")
}

/// A number of training steps, or of passes over the data.
///
/// # Errors
///
/// Names the range and the reason.
pub fn steps(text: &str) -> Result<usize, String> {
    count(text, 1..=1_000_000_000, "more would not end")
}

/// A time in minutes.
///
/// # Errors
///
/// Says what it must be.
pub fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 => Ok(minutes),
        _ => Err("not a positive number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_and_its_reason_are_named() {
        for huge in ["1000000000", "18446744073709551615", "18446744073709551616", "-1", "x", "0"] {
            let error = vocabulary(huge).unwrap_err();
            assert!(error.contains("from 5 to 1048576") && error.contains("4 GiB"), "{error}");
            let error = beams(huge).unwrap_err();
            assert!(error.contains("from 1 to 1024") && error.contains("state"), "{error}");
        }
        assert_eq!((beams("1024"), vocabulary("4000"), window("1")), (Ok(1024), Ok(4000), Ok(1)));
        assert!(minutes("NaN").is_err() && minutes("0").is_err() && minutes("0.5") == Ok(0.5));
    }
}
