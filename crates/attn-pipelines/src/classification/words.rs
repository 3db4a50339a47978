//! Sentences to words.

use std::ops::Range;

/// A word, or a mark of punctuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it is in the sentence, in bytes.
    pub place: Range<usize>,
    /// Its form in a dictionary: lower case, apostrophes straight.
    pub key: String,
}

/// The words of a sentence: runs of letters and digits, with apostrophes between them, and every
/// other character that is no space by itself. Runs of the same mark are one word: `!!!` is `!`.
pub fn words(sentence: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut characters = sentence.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if first.is_whitespace() || first.is_control() {
            continue;
        }
        let mut end = start + first.len_utf8();
        while let Some(&(at, next)) = characters.peek() {
            let goes_on = if first.is_alphanumeric() {
                let inside = |rest: &str| rest.chars().next().is_some_and(char::is_alphanumeric);
                next.is_alphanumeric()
                    || is_apostrophe(next) && inside(&sentence[at + next.len_utf8()..])
            } else {
                next == first
            };
            if !goes_on {
                break;
            }
            end = at + next.len_utf8();
            characters.next();
        }
        words.push(Word { place: start..end, key: key(&sentence[start..end], first) });
    }
    words
}

fn key(text: &str, first: char) -> String {
    if !first.is_alphanumeric() {
        return if is_apostrophe(first) { '\''.into() } else { first.into() };
    }
    text.chars().map(|c| if is_apostrophe(c) { '\'' } else { c }).collect::<String>().to_lowercase()
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sentence: &str) -> Vec<String> {
        words(sentence).into_iter().map(|word| word.key).collect()
    }

    #[test]
    fn a_sentence_in_words() {
        assert_eq!(
            keys("I DON’T love it!!! (\"a+\", 45 minutes.)"),
            [
                "i", "don't", "love", "it", "!", "(", "\"", "a", "+", "\"", ",", "45", "minutes",
                ".", ")"
            ]
        );
        assert_eq!(keys("'quoted' dogs'"), ["'", "quoted", "'", "dogs", "'"]);
        assert_eq!(keys("ça\u{85}va\u{0}"), ["ça", "va"]);
        assert!(keys(" \t\u{a0}").is_empty());
    }

    #[test]
    fn a_word_is_where_it_says() {
        let sentence = "Très bon… vraiment !!";
        let places: Vec<&str> =
            words(sentence).into_iter().map(|word| &sentence[word.place]).collect();
        assert_eq!(places, ["Très", "bon", "…", "vraiment", "!!"]);
    }
}
