//! Words with their pronunciations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use attn_train::data::{DataError, Pair, read_lines};

/// Words, each with all its pronunciations.
///
/// A pronunciation is a sequence of phonemes. The order is that of the alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary(pub BTreeMap<String, Vec<Vec<String>>>);

/// A dictionary that cannot be used. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DictionaryError {
    /// The file cannot be read as text.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A line with a word and nothing else.
    #[error("{}:{line}: the word {word:?} has no phonemes", .path.display())]
    NoPhonemes {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The word.
        word: String,
    },
    /// So little that there is nothing to learn from, to validate or to test with.
    #[error("{} has {words} words: too few to learn from and to test with", .path.display())]
    TooFew {
        /// The file.
        path: PathBuf,
        /// The words that there are.
        words: usize,
    },
}

/// The three parts of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nine words of ten.
    Train,
    /// One of twenty, to choose the best model by.
    Valid,
    /// One of twenty, looked at once.
    Test,
}

impl Dictionary {
    /// Reads a file in the form of CMUdict: a word and its phonemes, separated by blanks. `word(2)`
    /// is another pronunciation of `word`; what follows a `#`, and lines that begin with `;;;`, are
    /// comments. Without `stress`, the digits behind phonemes are left out.
    ///
    /// # Errors
    /// If the file cannot be read, or a line has no phonemes; of a missing blank nothing can be
    /// known.
    pub fn read(path: &Path, stress: bool) -> Result<Self, DictionaryError> {
        let mut words: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for (index, line) in read_lines(path)?.iter().enumerate() {
            let line = line.split('#').next().unwrap_or("");
            if line.starts_with(";;;") {
                continue;
            }
            let mut fields = line.split_whitespace();
            let Some(word) = fields.next() else { continue };
            let phonemes: Vec<String> = fields
                .map(|phoneme| if stress { phoneme } else { phoneme.trim_end_matches(is_digit) })
                .filter(|phoneme| !phoneme.is_empty())
                .map(str::to_owned)
                .collect();
            if phonemes.is_empty() {
                let (path, line, word) = (path.to_owned(), index + 1, word.to_owned());
                return Err(DictionaryError::NoPhonemes { path, line, word });
            }
            let pronunciations = words.entry(without_number(word).to_lowercase()).or_default();
            // Two may differ in their stress alone.
            if !pronunciations.contains(&phonemes) {
                pronunciations.push(phonemes);
            }
        }
        Ok(Self(words))
    }

    /// The words of a part, each with all its pronunciations: the seed and the letters of a word
    /// decide where it belongs, so that no word is in two parts.
    pub fn part(&self, part: Part, seed: u64) -> Self {
        let belongs = |word: &str| match mix(word, seed) % 20 {
            0 => part == Part::Test,
            1 => part == Part::Valid,
            _ => part == Part::Train,
        };
        let words = self.0.iter().filter(|(word, _)| belongs(word));
        Self(words.map(|(word, heard)| (word.clone(), heard.clone())).collect())
    }

    /// The parts to learn from, to validate and to test with; `path` is for the error.
    ///
    /// # Errors
    /// If one of them is empty.
    pub fn parts(&self, seed: u64, path: &Path) -> Result<[Self; 3], DictionaryError> {
        let parts = [Part::Train, Part::Valid, Part::Test].map(|part| self.part(part, seed));
        if parts.iter().any(Self::is_empty) {
            return Err(DictionaryError::TooFew { path: path.to_owned(), words: self.len() });
        }
        Ok(parts)
    }

    /// In the form that [`read`](Self::read) reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (word, heard) in &self.0 {
            for (index, phonemes) in heard.iter().enumerate() {
                let number = if index == 0 { String::new() } else { format!("({})", index + 1) };
                writeln!(text, "{word}{number} {}", phonemes.join(" "))
                    .expect("writing to a string cannot fail");
            }
        }
        text
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every pronunciation as a pair: `c a t`, `K AE T`.
    pub fn pairs(&self) -> Vec<Pair> {
        let pair = |word: &str, phonemes: &[String]| Pair {
            source: letters(word),
            target: phonemes.join(" "),
        };
        let of_word = |(word, heard): (&String, &Vec<Vec<String>>)| {
            heard.iter().map(|phonemes| pair(word, phonemes)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_word).collect()
    }
}

/// The letters of a word, as a model reads them.
pub fn letters(word: &str) -> String {
    let letters: Vec<String> = word.chars().map(String::from).collect();
    letters.join(" ")
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// `word` of `word(2)`.
fn without_number(word: &str) -> &str {
    let open = word.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match open {
        Some((before, number)) if !before.is_empty() && number.chars().all(is_digit) => before,
        _ => word,
    }
}

/// FNV-1a and the finaliser of SplitMix64: the same on every machine.
fn mix(word: &str, seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in word.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, stress: bool) -> Result<Dictionary, DictionaryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.dict");
        std::fs::write(&path, text).unwrap();
        Dictionary::read(&path, stress)
    }

    /// Words that are not looked at.
    fn filling() -> String {
        let mut text = String::new();
        for n in 0..200 {
            writeln!(text, "w{n} W AH0 N").unwrap();
        }
        text
    }

    #[test]
    fn words_variants_and_comments_are_read() {
        let text = ";;; a comment\n\na A\na(2) EY1\nREAD R EH1 D # past\nread(2) R IY1 D\r\n\
                    read(3) R IY0 D 1\n(x) P\n";
        let dictionary = read(text, false).unwrap();
        let heard = |word: &str| {
            dictionary.0[word].iter().map(|phonemes| phonemes.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(heard("a"), ["A", "EY"]);
        assert_eq!(heard("read"), ["R EH D", "R IY D"]);
        assert_eq!(heard("(x)"), ["P"]);
        let stressed = read(text, true).unwrap();
        assert_eq!(stressed.0["read"][2].join(" "), "R IY0 D 1");
        let pairs = dictionary.pairs();
        assert!(pairs.contains(&Pair { source: "r e a d".into(), target: "R IY D".into() }));
    }

    #[test]
    fn what_is_written_is_read() {
        let dictionary = read("read R EH1 D\nread(2) R IY1 D\nzoo Z UW1\n", true).unwrap();
        assert_eq!(dictionary.text(), "read R EH1 D\nread(2) R IY1 D\nzoo Z UW1\n");
        assert_eq!(read(&dictionary.text(), true).unwrap(), dictionary);
    }

    #[test]
    fn a_word_without_phonemes_is_named_by_its_line() {
        let error = read("a A\nb # B\n", false).unwrap_err().to_string();
        assert!(error.ends_with("my.dict:2: the word \"b\" has no phonemes"), "{error}");
    }

    #[test]
    fn a_few_words_are_not_a_dictionary() {
        let dictionary = read("a A\n", false).unwrap();
        let error = dictionary.parts(1, Path::new("my.dict")).unwrap_err().to_string();
        assert!(error.ends_with("has 1 words: too few to learn from and to test with"), "{error}");
    }

    #[test]
    fn parts_share_no_word_and_lose_none() {
        let dictionary = read(&filling(), false).unwrap();
        let parts = dictionary.parts(3, Path::new("my.dict")).unwrap();
        let mut all = BTreeMap::new();
        for part in &parts {
            for (word, heard) in &part.0 {
                assert!(all.insert(word.clone(), heard.clone()).is_none(), "{word} is twice there");
            }
        }
        assert_eq!(Dictionary(all), dictionary);
        assert_ne!(dictionary.part(Part::Test, 3), dictionary.part(Part::Test, 4));
    }
}
