//! How far pronunciations are from those of a dictionary.

use super::Dictionary;

/// Error rates over words, each compared with the pronunciation in the dictionary that is closest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Words.
    pub words: usize,
    /// Words that are none of their pronunciations.
    pub wrong: usize,
    /// Phonemes of the closest pronunciations.
    pub phonemes: usize,
    /// Phonemes to insert, remove or replace.
    pub edits: usize,
}

impl Rates {
    /// Judges what was said, a line of phonemes for each word of the dictionary in its order.
    ///
    /// # Panics
    /// If there are not as many as words.
    pub fn of<S: AsRef<str>>(said: &[S], dictionary: &Dictionary) -> Self {
        assert_eq!(said.len(), dictionary.len(), "a pronunciation for each word");
        let mut rates = Self::default();
        for (said, heard) in said.iter().zip(dictionary.0.values()) {
            let said: Vec<&str> = said.as_ref().split_whitespace().collect();
            let distance = |right: &Vec<String>| {
                let right: Vec<&str> = right.iter().map(String::as_str).collect();
                (strsim::generic_levenshtein(&said, &right), right.len())
            };
            // Of pronunciations that are as close, the longest: the smaller rate.
            let closest = heard
                .iter()
                .map(distance)
                .min_by_key(|&(edits, length)| (edits, std::cmp::Reverse(length)));
            let (edits, length) = closest.unwrap_or((said.len(), 0));
            rates.words += 1;
            rates.wrong += usize::from(edits > 0);
            rates.phonemes += length;
            rates.edits += edits;
        }
        rates
    }

    /// The share of words that are wrong.
    pub fn word_error_rate(&self) -> f64 {
        self.wrong as f64 / self.words as f64
    }

    /// Edits per phoneme.
    pub fn phoneme_error_rate(&self) -> f64 {
        self.edits as f64 / self.phonemes as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_closest_pronunciation_counts() {
        let heard = |all: &[&str]| {
            let phonemes = |one: &&str| one.split(' ').map(str::to_owned).collect();
            all.iter().map(phonemes).collect::<Vec<Vec<String>>>()
        };
        let words = BTreeMap::from([
            ("a".to_owned(), heard(&["AH", "EY"])),
            ("read".to_owned(), heard(&["R EH D", "R IY D"])),
            ("tensor".to_owned(), heard(&["T EH N S ER"])),
        ]);
        let rates = Rates::of(&["EY", "R IY T", "T N S AH ER"], &Dictionary(words));
        // Right; one replaced of three; one missing and one too many of five.
        assert_eq!(rates, Rates { words: 3, wrong: 2, phonemes: 9, edits: 3 });
        assert!((rates.word_error_rate() - 2.0 / 3.0).abs() < 1e-12);
        assert!((rates.phoneme_error_rate() - 1.0 / 3.0).abs() < 1e-12);
    }
}
