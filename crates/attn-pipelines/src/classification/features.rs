//! What models read: words by number, and what the counts say about them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::log_ratios::LogRatios;
use super::words::words;
use super::{NaiveBayes, Review};

/// Log ratios of a word: its own, that of the pair with the word before it, and the mean of those
/// of its pieces.
pub(super) const RATIOS: usize = 3;

/// Lengths of the pieces of a word, in characters, its ends marked (Bojanowski et al. 2017,
/// "Enriching word vectors with subword information", section 3.2).
const PIECES: std::ops::RangeInclusive<usize> = 3..=5;

/// The number of a word: a name, which says nothing about it.
pub(super) type Number = u32;

/// Sentences as numbers of words.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) sentences: Vec<Vec<Number>>,
    pub(super) praise: Vec<bool>,
    /// The words by number.
    words: Vec<String>,
    /// The pieces of each word, by number too.
    pieces: Vec<Vec<u32>>,
    /// The pieces by number.
    piece_names: Vec<String>,
}

impl Corpus {
    /// The first `max_words` words of each sentence.
    pub(super) fn new(reviews: &[Review], max_words: usize) -> Self {
        let mut numbers: HashMap<String, Number> = HashMap::new();
        let mut piece_numbers: HashMap<String, u32> = HashMap::new();
        let (mut word_names, mut pieces, mut piece_names) = (Vec::new(), Vec::new(), Vec::new());
        let mut sentences = Vec::with_capacity(reviews.len());
        for review in reviews {
            let keys = words(&review.sentence).into_iter().take(max_words).map(|word| word.key);
            let of = keys.map(|key| {
                *numbers.entry(key).or_insert_with_key(|key| {
                    let of_word = pieces_of(key).into_iter().map(|piece| {
                        *piece_numbers.entry(piece).or_insert_with_key(|piece| {
                            piece_names.push(piece.clone());
                            piece_names.len() as u32 - 1
                        })
                    });
                    pieces.push(of_word.collect());
                    word_names.push(key.clone());
                    word_names.len() as Number - 1
                })
            });
            sentences.push(of.collect());
        }
        let praise = reviews.iter().map(|review| review.praise).collect();
        Self { sentences, praise, words: word_names, pieces, piece_names }
    }

    /// How many of `others` the baseline gets right when it has counted the words of `learning`, and
    /// with them, if it is to, the pairs of neighbours.
    pub(super) fn naive_bayes(
        &self,
        learning: &[usize],
        others: &[usize],
        with_pairs: bool,
    ) -> usize {
        let things = |sentence: usize| -> Vec<(Number, Number)> {
            let words = self.sentences[sentence].iter().map(|&word| (NO_WORD, word));
            let pairs = self.pairs(sentence).skip(1).filter(|_| with_pairs);
            words.chain(pairs).collect()
        };
        let praise = |&sentence: &usize| self.praise[sentence];
        let counted: Vec<_> = learning.iter().map(|&i| (things(i), self.praise[i])).collect();
        let bayes =
            NaiveBayes::count(counted.iter().map(|(things, praise)| (&things[..], *praise)));
        others.iter().filter(|i| bayes.praises(&things(**i)) == praise(i)).count()
    }

    fn pairs(&self, sentence: usize) -> impl Iterator<Item = (Number, Number)> {
        let words = &self.sentences[sentence];
        let before = std::iter::once(NO_WORD).chain(words.iter().copied());
        before.zip(words.iter().copied())
    }
}

/// Stands before a sentence.
const NO_WORD: Number = Number::MAX;

fn pieces_of(key: &str) -> Vec<String> {
    let marked: Vec<char> = format!("<{key}>").chars().collect();
    let of_length = |length| marked.windows(length).map(|piece| piece.iter().collect());
    PIECES.flat_map(of_length).collect()
}

/// Log ratios from the counts of some sentences.
#[derive(Debug)]
struct RatioTables {
    words: LogRatios<Number>,
    pairs: LogRatios<(Number, Number)>,
    pieces: LogRatios<u32>,
}

impl RatioTables {
    fn count(corpus: &Corpus, sentences: &[usize]) -> Self {
        let words = sentences.iter().flat_map(|&i| {
            let praise = corpus.praise[i];
            corpus.sentences[i].iter().map(move |&word| (word, praise))
        });
        let pairs = sentences
            .iter()
            .flat_map(|&i| corpus.pairs(i).map(move |pair| (pair, corpus.praise[i])));
        let pieces = words.clone().flat_map(|(word, praise)| {
            corpus.pieces[word as usize].iter().map(move |&piece| (piece, praise))
        });
        Self {
            words: LogRatios::count(words),
            pairs: LogRatios::count(pairs),
            pieces: LogRatios::count(pieces),
        }
    }

    fn of(&self, corpus: &Corpus, sentence: usize) -> Vec<[f32; RATIOS]> {
        let of_pair = |pair: (Number, Number)| {
            let pieces = &corpus.pieces[pair.1 as usize];
            let sum: f64 = pieces.iter().map(|piece| self.pieces.of(piece)).sum();
            let mean = sum / pieces.len().max(1) as f64;
            [self.words.of(&pair.1), self.pairs.of(&pair), mean].map(|ratio| ratio as f32)
        };
        corpus.pairs(sentence).map(of_pair).collect()
    }
}

/// A sentence as a model reads it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    /// Its words, by the vocabulary of what may be learnt from.
    pub(super) tokens: Vec<u32>,
    /// What the counts say about each.
    pub(super) ratios: Vec<[f32; RATIOS]>,
    pub(super) praise: bool,
}

/// What fills the rows of a batch, and what stands for words outside of the vocabulary.
pub(super) const PAD: u32 = 0;
pub(super) const UNKNOWN: u32 = 1;

/// What may be known of words, by their names: what a trained classifier keeps of its training text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lexicon {
    /// Words of a sentence that are read.
    max_words: usize,
    /// Tokens of the words.
    tokens: BTreeMap<String, u32>,
    /// Log ratios of words.
    words: BTreeMap<String, f32>,
    /// Log ratios of pairs of neighbors, with a space between them; before the first word of a
    /// sentence there is nothing.
    pairs: BTreeMap<String, f32>,
    /// Log ratios of the pieces of words.
    pieces: BTreeMap<String, f32>,
}

impl Lexicon {
    /// From the sentences `learning` of a corpus.
    pub(super) fn new(
        corpus: &Corpus,
        learning: &[usize],
        min_count: usize,
        max_words: usize,
    ) -> Self {
        let name = |word: Number| corpus.words.get(word as usize).map_or("", String::as_str);
        let pair = |(one, other): (Number, Number)| format!("{} {}", name(one), name(other));
        let ratios = RatioTables::count(corpus, learning);
        let tokens = vocabulary(corpus, learning, min_count);
        Self {
            max_words,
            tokens: tokens.into_iter().map(|(word, token)| (name(word).into(), token)).collect(),
            words: ratios.words.iter().map(|(&word, r)| (name(word).into(), r as f32)).collect(),
            pairs: ratios.pairs.iter().map(|(&both, r)| (pair(both), r as f32)).collect(),
            pieces: ratios
                .pieces
                .iter()
                .map(|(&piece, r)| (corpus.piece_names[piece as usize].clone(), r as f32))
                .collect(),
        }
    }

    /// Number of tokens.
    pub(super) fn vocab(&self) -> usize {
        self.tokens.len() + 2
    }

    /// A sentence as a model reads it.
    pub(super) fn example(&self, sentence: &str) -> Example {
        let keys: Vec<String> =
            words(sentence).into_iter().take(self.max_words).map(|word| word.key).collect();
        let before = std::iter::once("").chain(keys.iter().map(String::as_str));
        let of =
            |ratios: &BTreeMap<String, f32>, key: &str| ratios.get(key).copied().unwrap_or(0.0);
        let ratios = before.zip(&keys).map(|(before, key)| {
            let pieces = pieces_of(key);
            let sum: f32 = pieces.iter().map(|piece| of(&self.pieces, piece)).sum();
            let mean = sum / pieces.len().max(1) as f32;
            [of(&self.words, key), of(&self.pairs, &format!("{before} {key}")), mean]
        });
        let token = |key: &String| self.tokens.get(key).copied().unwrap_or(UNKNOWN);
        Example {
            ratios: ratios.collect(),
            tokens: keys.iter().map(token).collect(),
            praise: false,
        }
    }
}

/// Examples to learn from, and others, by what can be known from the former alone.
#[derive(Debug)]
pub(super) struct Examples {
    pub(super) learning: Vec<Example>,
    pub(super) others: Vec<Example>,
    pub(super) vocab: usize,
}

impl Examples {
    /// A word that occurs less than `min_count` times in `learning` is unknown.
    ///
    /// Ratios are cross-fitted: those of a sentence to learn from come from the counts of the other
    /// `folds - 1` parts of `learning`. With those of its own part a word that occurs once would
    /// tell the label of its sentence, and a model would learn to trust what holds nowhere else.
    pub(super) fn new(
        corpus: &Corpus,
        learning: &[usize],
        others: &[usize],
        min_count: usize,
        folds: usize,
    ) -> Self {
        let vocabulary = vocabulary(corpus, learning, min_count);
        let example = |ratios: &RatioTables, sentence: usize| {
            let token = |word| vocabulary.get(word).copied().unwrap_or(UNKNOWN);
            Example {
                tokens: corpus.sentences[sentence].iter().map(token).collect(),
                ratios: ratios.of(corpus, sentence),
                praise: corpus.praise[sentence],
            }
        };
        let mut of_learning: Vec<Option<Example>> = vec![None; learning.len()];
        for fold in 0..folds {
            let (inside, outside): (Vec<usize>, Vec<usize>) =
                (0..learning.len()).partition(|place| place % folds == fold);
            let outside: Vec<usize> = outside.into_iter().map(|place| learning[place]).collect();
            let ratios = RatioTables::count(corpus, &outside);
            for place in inside {
                of_learning[place] = Some(example(&ratios, learning[place]));
            }
        }
        let ratios = RatioTables::count(corpus, learning);
        Self {
            learning: of_learning.into_iter().flatten().collect(),
            others: others.iter().map(|&sentence| example(&ratios, sentence)).collect(),
            vocab: vocabulary.len() + 2,
        }
    }
}

/// Tokens of the words that occur often enough, in the order of their first use.
fn vocabulary(corpus: &Corpus, learning: &[usize], min_count: usize) -> HashMap<Number, u32> {
    let mut counts: HashMap<Number, usize> = HashMap::new();
    let words = || learning.iter().flat_map(|&sentence| &corpus.sentences[sentence]);
    words().for_each(|&word| *counts.entry(word).or_default() += 1);
    let mut vocabulary = HashMap::new();
    for word in words().filter(|word| counts[word] >= min_count) {
        let next = vocabulary.len() as u32 + UNKNOWN + 1;
        vocabulary.entry(*word).or_insert(next);
    }
    vocabulary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(reviews: &[(&str, bool)]) -> Corpus {
        let review =
            |&(sentence, praise): &(&str, bool)| Review { sentence: sentence.into(), praise };
        Corpus::new(&reviews.iter().map(review).collect::<Vec<_>>(), 5)
    }

    const REVIEWS: [(&str, bool); 6] = [
        ("good soup", true),
        ("bad soup", false),
        ("good plot", true),
        ("bad screen", false),
        ("splendid", true),
        ("a b c d e f", false),
    ];

    /// What a trained classifier reads is what it was tested on.
    #[test]
    fn a_lexicon_makes_the_examples_of_the_test() {
        let (corpus, learning) = (corpus(&REVIEWS), [0, 1, 2, 3, 5]);
        let examples = Examples::new(&corpus, &learning, &[4, 0], 1, 2);
        let lexicon = Lexicon::new(&corpus, &learning, 1, 5);
        assert_eq!(lexicon.vocab(), examples.vocab);
        let text = serde_json::to_string(&lexicon).unwrap();
        let lexicon: Lexicon = serde_json::from_str(&text).unwrap();
        for (&sentence, expected) in [4, 0].iter().zip(&examples.others) {
            let found = lexicon.example(REVIEWS[sentence].0);
            assert_eq!(found.tokens, expected.tokens);
            for (found, expected) in found.ratios.iter().zip(&expected.ratios) {
                for (found, expected) in found.iter().zip(expected) {
                    // A mean of a few numbers below 10, in f32 in place of f64.
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn what_is_tested_does_not_reach_what_is_learnt() {
        let learning = [0, 1, 2, 3];
        let examples = Examples::new(&corpus(&REVIEWS), &learning, &[4, 5], 1, 2);
        let flipped = REVIEWS.map(|(sentence, praise)| (sentence, praise));
        let mut flipped = flipped.to_vec();
        flipped[4].1 = false;
        flipped[5].1 = true;
        let others = Examples::new(&corpus(&flipped), &learning, &[4, 5], 1, 2);
        assert_eq!(examples.learning, others.learning);
        for (one, other) in examples.others.iter().zip(&others.others) {
            assert_eq!((&one.tokens, &one.ratios), (&other.tokens, &other.ratios));
        }
        assert_eq!(examples.others[0].tokens, [UNKNOWN]);
        assert_eq!(examples.others[0].ratios, [[0.0; RATIOS]]);
        assert_eq!(examples.others[1].tokens.len(), 5, "cut");
    }

    #[test]
    fn a_word_that_occurs_once_does_not_tell_its_label_in_training() {
        let all = [0, 1, 2, 3, 4, 5];
        let examples = Examples::new(&corpus(&REVIEWS), &all, &[4], 1, 3);
        assert_eq!(examples.learning[4].ratios[0], [0.0; RATIOS]);
        assert!(examples.others[0].ratios[0].iter().all(|&ratio| ratio > 0.0));
        // Of a word that others have too, the others tell.
        assert!(examples.learning[0].ratios[0][0] > 0.0);
    }

    #[test]
    fn rare_words_are_unknown() {
        let examples = Examples::new(&corpus(&REVIEWS), &[0, 1, 2, 3], &[0], 2, 2);
        let [good, soup] = examples.learning[0].tokens[..] else { panic!("two words") };
        assert!(good > UNKNOWN && soup > UNKNOWN && good != soup);
        assert_eq!(examples.learning[2].tokens, [good, UNKNOWN]);
        assert_eq!(examples.vocab, 2 + 3);
    }

    #[test]
    fn pieces_of_a_word_with_its_ends() {
        assert_eq!(pieces_of("né"), ["<né", "né>", "<né>"]);
        assert_eq!(pieces_of("!"), ["<!>"]);
    }
}
