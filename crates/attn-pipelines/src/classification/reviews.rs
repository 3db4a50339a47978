//! Sentences with their labels.

use std::collections::HashSet;
use std::path::PathBuf;

use attn_train::data::{DataError, read_lines};

use super::words::words;

/// Fewer make no training, validation and test part.
const FEWEST: usize = 20;

/// A sentence, and whether it praises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The sentence, as it was written.
    pub sentence: String,
    /// Whether it praises; else it complains.
    pub praise: bool,
}

/// What is wrong with sentences. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// A file that cannot be read as text.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A line without a label.
    #[error("{}:{line}: expected a sentence, a tab and a label, found no tab", path.display())]
    NoTab {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A label of another kind.
    #[error("{}:{line}: the label is {label:?}, must be 0 or 1", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Its label.
        label: String,
    },
    /// A label without a sentence.
    #[error("{}:{line}: the sentence is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Not enough of both kinds.
    #[error(
        "{sentences} sentences, {praise} of them with label 1, are too few: it takes {FEWEST}, and \
         two of each label"
    )]
    TooFew {
        /// All.
        sentences: usize,
        /// Those that praise.
        praise: usize,
    },
}

/// Reads the sentences of files, one a line: sentence, tab, label. A line ends at a line feed and
/// nowhere else; a sentence may have tabs in it.
///
/// # Errors
///
/// Fails at the first line that has no label or no sentence, and if a file cannot be read, is empty
/// or is not UTF-8.
pub fn read(files: &[PathBuf]) -> Result<Vec<Review>, ReviewError> {
    let mut reviews = Vec::new();
    for path in files {
        for (index, line) in read_lines(path)?.into_iter().enumerate() {
            let (path, line, text) = (path.clone(), index + 1, line);
            let Some((sentence, label)) = text.rsplit_once('\t') else {
                return Err(ReviewError::NoTab { path, line });
            };
            let praise = match label.trim() {
                "1" => true,
                "0" => false,
                _ => return Err(ReviewError::Label { path, line, label: label.into() }),
            };
            if words(sentence).is_empty() {
                return Err(ReviewError::Empty { path, line });
            }
            reviews.push(Review { sentence: sentence.trim().into(), praise });
        }
    }
    Ok(reviews)
}

/// Refuses sentences that cannot be split into parts to train on and to test.
///
/// # Errors
///
/// Fails if they are too few, or too few of one kind.
pub fn check(reviews: &[Review]) -> Result<(), ReviewError> {
    let sentences = reviews.len();
    let praise = reviews.iter().filter(|review| review.praise).count();
    if sentences < FEWEST || praise < 2 || sentences - praise < 2 {
        return Err(ReviewError::TooFew { sentences, praise });
    }
    Ok(())
}

/// What there is to train on, for people.
pub fn summary(reviews: &[Review], max_words: usize) -> String {
    let praise = reviews.iter().filter(|review| review.praise).count();
    let distinct: HashSet<&str> = reviews.iter().map(|review| review.sentence.as_str()).collect();
    let cut = reviews.iter().filter(|review| words(&review.sentence).len() > max_words).count();
    let mut text = format!("{} sentences, {praise} of them praise", reviews.len());
    if distinct.len() < reviews.len() {
        text += &format!("; {} occur more than once", reviews.len() - distinct.len());
    }
    if cut > 0 {
        text += &format!("; {cut} are cut to {max_words} words");
    }
    text
}
