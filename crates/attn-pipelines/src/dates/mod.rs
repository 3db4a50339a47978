//! The built-in task: dates as people write them, in seven languages, to ISO 8601.
//!
//! ```text
//! Tuesday, 3 March 1987           1987-03-03
//! mardi 3 mars 1987               1987-03-03
//! the third of March, 1987        1987-03-03
//! 3/3/87                          1987-03-03
//! ```
//!
//! Every sentence has one right answer, because:
//! - dates run from 1950-01-01 to 2049-12-31, so two digits name a year, and `87` is 1987;
//! - three numbers are day, month, year, in every language: only a year of four digits may stand
//!   first, and then the month follows (`1987-03-03`);
//! - the month may stand before the day only as a name (`March 3, 1987`).
//!
//! Dates are kept apart, not sentences: a [`Split`] owns whole dates, so the model is asked for
//! dates that it has never seen in any language or format.

mod calendar;
mod format;
mod languages;

pub use calendar::Date;
pub use format::Format;
pub use languages::{LANGUAGES, Language};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A date written in one of the formats of one of the languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The date as people write it.
    pub text: String,
    /// The date it means.
    pub date: Date,
    /// The format it is written in.
    pub format: Format,
}

/// One of three disjoint sets of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Four dates of five.
    Train,
    /// One date of ten, to choose the best model by.
    Valid,
    /// One date of ten, looked at once.
    Test,
}

impl Split {
    /// The split that owns a date, whatever the seed: a hash of the date decides.
    pub fn of(date: Date) -> Self {
        match mix(date.days()) % 10 {
            0 => Self::Test,
            1 => Self::Valid,
            _ => Self::Train,
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): neighbouring days fall far apart.
fn mix(days: u32) -> u64 {
    let z = u64::from(days).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `count` samples of a split: language, format of that language and date are drawn evenly, with
/// replacement. The same seed gives the same samples.
pub fn samples(split: Split, count: usize, seed: u64) -> Vec<Sample> {
    let dates: Vec<Date> = Date::all().filter(|&date| Split::of(date) == split).collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = || {
        let language = &LANGUAGES[rng.random_range(0..LANGUAGES.len())];
        let template = language.formats[rng.random_range(0..language.formats.len())];
        let format = Format { language, template };
        let date = dates[rng.random_range(0..dates.len())];
        Sample { text: format.write(date), date, format }
    };
    (0..count).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};
    use std::hash::{DefaultHasher, Hash, Hasher};

    /// Every sentence there is, not a sample of them: about two million.
    #[test]
    fn no_sentence_means_two_dates() {
        // Equal hashes of different sentences would fail the test for nothing, with a chance of
        // n² / 2⁶⁵ < 10⁻⁶.
        let mut meaning: HashMap<u64, Date> = HashMap::new();
        let mut text = String::new();
        for format in Format::all() {
            for date in Date::all() {
                text.clear();
                format.write_to(&mut text, date);
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                let first = *meaning.entry(hasher.finish()).or_insert(date);
                assert_eq!(first, date, "{text:?} means both");
            }
        }
    }

    #[test]
    fn splits_share_no_date_and_have_the_stated_sizes() {
        let total = Date::all().count();
        for (split, share) in [(Split::Train, 0.8), (Split::Valid, 0.1), (Split::Test, 0.1)] {
            let owned = Date::all().filter(|&date| Split::of(date) == split).count();
            let expected = share * total as f64;
            // Five standard deviations of a binomial.
            let tolerance = 5.0 * (expected * (1.0 - share)).sqrt();
            assert!((owned as f64 - expected).abs() < tolerance, "{split:?}: {owned} of {total}");
        }
        let dates = |split| {
            samples(split, 2000, 1).into_iter().map(|sample| sample.date).collect::<HashSet<_>>()
        };
        let [train, valid, test] = [Split::Train, Split::Valid, Split::Test].map(dates);
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    }

    #[test]
    fn every_language_and_every_format_is_drawn() {
        let drawn: HashSet<_> = samples(Split::Test, 3000, 2)
            .iter()
            .map(|sample| (sample.format.language.name, sample.format.template))
            .collect();
        let all: HashSet<_> =
            Format::all().map(|format| (format.language.name, format.template)).collect();
        assert_eq!(drawn, all);
    }

    #[test]
    fn a_seed_fixes_the_samples() {
        let draw = |seed| samples(Split::Train, 50, seed);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        assert_eq!(
            draw(3)[..20],
            samples(Split::Train, 20, 3),
            "more samples, the same first ones"
        );
    }
}
