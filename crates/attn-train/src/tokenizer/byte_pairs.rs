//! Learning the merges of byte-pair encoding.
//!
//! The vocabulary is that of the trainer of the `tokenizers` crate, token by token; but that one cannot
//! be interrupted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::SPECIALS;
use crate::stop::{StopSignal, Stopped};

/// Two tokens beside each other.
type Pair = (u32, u32);

/// What was learned: the tokens in the order of their ids, and the pairs that are merged, in order.
pub(super) struct Learned {
    pub tokens: Vec<String>,
    pub merges: Vec<(String, String)>,
}

/// A pair that might be merged next: the most frequent first, of equals the one of the lowest ids.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    count: i64,
    pair: Reverse<Pair>,
    /// The words that it was found in.
    words: Vec<usize>,
}

/// Learns up to `vocab_size` tokens from words and how often each occurs. `alphabet` is in the
/// vocabulary whatever the words are; a pair that occurs less than `least_count` times is not merged.
pub(super) fn learn(
    words: HashMap<String, u64>,
    alphabet: impl IntoIterator<Item = char>,
    vocab_size: usize,
    least_count: i64,
    stop: &StopSignal,
) -> Result<Learned, Stopped> {
    let mut characters: Vec<char> = words.keys().flat_map(|word| word.chars()).collect();
    characters.extend(alphabet);
    characters.sort_unstable();
    characters.dedup();
    let mut tokens: Vec<String> = SPECIALS.map(String::from).into();
    tokens.extend(characters.into_iter().map(String::from));
    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();

    let counts: Vec<i64> = words.values().map(|&count| count as i64).collect();
    let spell =
        |word: &String| word.chars().map(|c| ids[c.encode_utf8(&mut [0; 4]) as &str]).collect();
    let mut words: Vec<Vec<u32>> = words.keys().map(spell).collect();

    let mut pair_counts: HashMap<Pair, i64> = HashMap::new();
    let mut found_in: HashMap<Pair, HashSet<usize>> = HashMap::new();
    for (index, word) in words.iter().enumerate() {
        for pair in word.windows(2).map(|pair| (pair[0], pair[1])) {
            *pair_counts.entry(pair).or_default() += counts[index];
            found_in.entry(pair).or_default().insert(index);
        }
    }
    let mut candidates = BinaryHeap::new();
    push(&mut candidates, &mut found_in, &pair_counts);

    let mut merges = Vec::new();
    while tokens.len() < vocab_size {
        if stop.is_stopped() {
            return Err(Stopped);
        }
        let Some(mut best) = candidates.pop() else { break };
        let pair = best.pair.0;
        // Merges since it was counted may have taken some of its occurrences.
        if best.count != pair_counts[&pair] {
            best.count = pair_counts[&pair];
            candidates.push(best);
            continue;
        }
        if best.count < least_count.max(1) {
            break;
        }
        let parts = (tokens[pair.0 as usize].clone(), tokens[pair.1 as usize].clone());
        let token = format!("{}{}", parts.0, parts.1);
        // Two ways to the same token have one id.
        let id = *ids.entry(token.clone()).or_insert_with(|| {
            tokens.push(token);
            tokens.len() as u32 - 1
        });
        merges.push(parts);
        for &index in &best.words {
            for (pair, change) in merge(&mut words[index], pair, id) {
                *pair_counts.entry(pair).or_default() += change * counts[index];
                if change > 0 {
                    found_in.entry(pair).or_default().insert(index);
                }
            }
        }
        push(&mut candidates, &mut found_in, &pair_counts);
    }
    Ok(Learned { tokens, merges })
}

/// Makes candidates of pairs that were just found.
fn push(
    candidates: &mut BinaryHeap<Candidate>,
    found_in: &mut HashMap<Pair, HashSet<usize>>,
    pair_counts: &HashMap<Pair, i64>,
) {
    for (pair, words) in found_in.drain() {
        let count = pair_counts[&pair];
        if count > 0 {
            let words = words.into_iter().collect();
            candidates.push(Candidate { count, pair: Reverse(pair), words });
        }
    }
}

/// Merges a pair wherever it is in a word, from the left; returns how the numbers of the pairs beside it
/// changed.
fn merge(word: &mut Vec<u32>, (first, second): Pair, merged: u32) -> Vec<(Pair, i64)> {
    let mut changes = Vec::new();
    let mut new: Vec<u32> = Vec::with_capacity(word.len());
    let mut rest = word.iter().copied().peekable();
    while let Some(token) = rest.next() {
        if token != first || rest.peek() != Some(&second) {
            new.push(token);
            continue;
        }
        rest.next();
        if let Some(&before) = new.last() {
            changes.extend([((before, first), -1), ((before, merged), 1)]);
        }
        if let Some(&behind) = rest.peek() {
            changes.extend([((second, behind), -1), ((merged, behind), 1)]);
        }
        new.push(merged);
    }
    *word = new;
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::models::bpe::{BPE, BpeTrainer};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    use tokenizers::{AddedToken, Trainer};

    use super::*;

    fn counted(words: &[&str]) -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        words.iter().for_each(|word| *counts.entry((*word).to_owned()).or_default() += 1);
        counts
    }

    fn ours(words: &[&str], vocab_size: usize) -> BPE {
        let (alphabet, stop) = (ByteLevel::alphabet(), StopSignal::new());
        let learned = learn(counted(words), alphabet, vocab_size, 2, &stop).unwrap();
        let vocabulary: tokenizers::models::bpe::Vocab =
            learned.tokens.into_iter().zip(0..).collect();
        BPE::builder().vocab_and_merges(vocabulary, learned.merges).build().unwrap()
    }

    fn theirs(words: &[&str], vocab_size: usize) -> BPE {
        let mut trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(SPECIALS.map(|token| AddedToken::from(token, true)).to_vec())
            .build();
        trainer.feed(words.iter(), |word| Ok(vec![word.to_owned()])).unwrap();
        let mut model = BPE::default();
        trainer.train(&mut model).unwrap();
        model
    }

    fn json(model: &BPE) -> serde_json::Value {
        serde_json::to_value(model).unwrap()
    }

    proptest! {
        /// Few letters, so that there are many ties, and words such as `aaaa`, whose pairs overlap.
        #[test]
        fn the_vocabulary_is_that_of_the_tokenizers_crate(
            words in prop::collection::vec("[abc]{1,9}", 1..60),
            merges in 0usize..40,
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let vocab_size = SPECIALS.len() + 256 + merges;
            prop_assert_eq!(json(&ours(&words, vocab_size)), json(&theirs(&words, vocab_size)));
        }
    }

    /// Its source: enough words for a few hundred merges, down to pairs that occur twice.
    #[test]
    fn the_vocabulary_of_a_text_is_that_of_the_tokenizers_crate() {
        let text = include_str!("byte_pairs.rs");
        let words: Vec<&str> = text.split_whitespace().filter(|word| word.is_ascii()).collect();
        for vocab_size in [300, 500, 100_000] {
            let (ours, theirs) =
                (json(&ours(&words, vocab_size)), json(&theirs(&words, vocab_size)));
            assert_eq!(ours, theirs);
            assert!(ours["merges"].as_array().unwrap().len() >= 40);
        }
    }

    #[test]
    fn a_signal_ends_the_merging() {
        let stop = StopSignal::new();
        stop.stop();
        let learned = learn(counted(&["ab", "ab"]), [], 100, 2, &stop);
        assert_eq!(learned.err(), Some(Stopped));
    }
}
