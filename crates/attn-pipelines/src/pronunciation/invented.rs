//! The built-in task: invented words, spelled by rules like those of Italian.
//!
//! What a letter stands for depends on those beside it: `c` is `K` before `a`, `CH` before `e`, and in
//! `ch` it is `K` again; `s` is `Z` between vowels; `gn` and `gli` are one consonant.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Dictionary;

const ONSETS: [&str; 19] = [
    "P", "B", "T", "D", "K", "G", "CH", "JH", "F", "V", "S", "Z", "SH", "M", "N", "NY", "L", "LY",
    "R",
];
const VOWELS: [&str; 5] = ["A", "E", "I", "O", "U"];
/// What may end a syllable within a word.
const CODAS: [&str; 3] = ["N", "R", "L"];

/// So many words of two to five syllables.
pub fn words(count: usize, seed: u64) -> Dictionary {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut words = BTreeMap::new();
    while words.len() < count {
        let phonemes = draw(&mut rng);
        words.insert(spell(&phonemes), vec![phonemes.into_iter().map(str::to_owned).collect()]);
    }
    Dictionary(words)
}

fn draw(rng: &mut StdRng) -> Vec<&'static str> {
    let mut phonemes = Vec::new();
    for syllable in 0..rng.random_range(2..=5) {
        let onset = loop {
            let onset = ONSETS[rng.random_range(0..ONSETS.len())];
            // `Z` is written `s` between vowels, and nowhere else.
            let after_vowel = phonemes.last().is_some_and(|last| VOWELS.contains(last));
            if onset != "Z" || after_vowel {
                break onset;
            }
        };
        if syllable > 0 && onset != "Z" && rng.random_range(0..4) == 0 {
            phonemes.push(CODAS[rng.random_range(0..CODAS.len())]);
        }
        phonemes.push(onset);
        phonemes.push(VOWELS[rng.random_range(0..VOWELS.len())]);
    }
    phonemes
}

fn spell(phonemes: &[&str]) -> String {
    let mut word = String::new();
    for (place, &phoneme) in phonemes.iter().enumerate() {
        let before_front = matches!(phonemes.get(place + 1), Some(&("E" | "I")));
        let after_vowel = place > 0 && VOWELS.contains(&phonemes[place - 1]);
        word += match (phoneme, before_front) {
            ("K", true) => "ch",
            ("K", false) => "c",
            ("G", true) => "gh",
            ("CH", true) => "c",
            ("CH", false) => "ci",
            ("JH", true) => "g",
            ("JH", false) => "gi",
            ("SH", true) => "sc",
            ("SH", false) => "sci",
            ("NY", _) => "gn",
            ("LY", _) if phonemes.get(place + 1) == Some(&"I") => "gl",
            ("LY", _) => "gli",
            ("S", _) if after_vowel => "ss",
            ("Z", _) => "s",
            (plain, _) => {
                word += &plain.to_lowercase();
                continue;
            }
        };
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn rules_are_those_of_the_doc() {
        for (phonemes, word) in [
            ("K A S A", "cassa"),
            ("K A Z A", "casa"),
            ("CH E N A", "cena"),
            ("K E N A", "chena"),
            ("CH A O", "ciao"),
            ("G E JH O", "ghegio"),
            ("SH E SH U", "scesciu"),
            ("B A NY O", "bagno"),
            ("F A M I LY A", "famiglia"),
            ("LY I", "gli"),
            ("K A N S O", "canso"),
        ] {
            assert_eq!(spell(&phonemes.split(' ').collect::<Vec<_>>()), word);
        }
    }

    /// Else nobody could learn it.
    #[test]
    fn a_spelling_has_one_pronunciation() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut heard = HashMap::new();
        for _ in 0..50_000 {
            let phonemes = draw(&mut rng);
            let first = heard.entry(spell(&phonemes)).or_insert_with(|| phonemes.clone());
            assert_eq!(*first, phonemes);
        }
    }
}
