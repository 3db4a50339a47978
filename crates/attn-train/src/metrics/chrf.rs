//! Corpus chrF, as sacrebleu computes it by default.

use std::collections::HashMap;
use std::fmt;

use super::is_python_space;
use super::references::{CountOfReferences, single};

/// Longest character n-gram that is counted.
const MAX_ORDER: usize = 6;

/// How much more recall counts than precision (Popović 2016).
const BETA: f64 = 2.0;

/// Corpus chrF (Popović 2015) of [`chrf`] or [`chrf_multi`].
///
/// It prints as the line that sacrebleu prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// The score, from 0 to 100.
    pub score: f64,
    references: CountOfReferences,
}

/// Corpus chrF with one reference a sentence: F-score of character n-grams up to 6, without white
/// space, recall weighted twice, averaged over the orders that occur: sacrebleu's defaults.
///
/// # Panics
/// If there are not as many references as hypotheses.
pub fn chrf<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Chrf {
    chrf_multi(hypotheses, &single(references))
}

/// Corpus chrF with one or more references a sentence: the one that gives the sentence its best
/// score counts.
///
/// # Panics
/// If there are not as many lists of references as hypotheses, or one of them is empty.
pub fn chrf_multi<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[Vec<R>]) -> Chrf {
    let count = CountOfReferences::of(hypotheses.len(), references);
    let mut corpus = Statistics::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let hypothesis = characters(hypothesis.as_ref());
        let mut best = Statistics::default();
        let mut best_score = f64::NEG_INFINITY;
        for reference in references {
            let statistics = Statistics::of(&hypothesis, &characters(reference.as_ref()));
            let score = statistics.score();
            // The first of equally good references, as sacrebleu takes it.
            if score > best_score {
                (best, best_score) = (statistics, score);
            }
        }
        corpus.add(&best);
    }
    Chrf { score: corpus.score(), references: count }
}

impl Chrf {
    /// What the score means, in the form of sacrebleu's signatures.
    pub fn signature(&self) -> String {
        let references = self.references;
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "nrefs:{references}|case:mixed|eff:yes|nc:6|nw:0|space:no|version:attn-train-{version}"
        )
    }
}

impl fmt::Display for Chrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chrF2|{} = {:.2}", self.signature(), self.score)
    }
}

fn characters(sentence: &str) -> Vec<char> {
    sentence.chars().filter(|&c| !is_python_space(c)).collect()
}

/// N-grams by order.
#[derive(Default)]
struct Statistics {
    hypothesis: [usize; MAX_ORDER],
    reference: [usize; MAX_ORDER],
    matched: [usize; MAX_ORDER],
}

impl Statistics {
    fn of(hypothesis: &[char], reference: &[char]) -> Self {
        let mut statistics = Self::default();
        for order in 1..=MAX_ORDER {
            let i = order - 1;
            let allowed = count_ngrams(reference, order);
            statistics.reference[i] = allowed.values().sum();
            // An order that the reference is too short for does not count.
            if allowed.is_empty() {
                continue;
            }
            for (ngram, count) in count_ngrams(hypothesis, order) {
                statistics.hypothesis[i] += count;
                statistics.matched[i] += count.min(allowed.get(ngram).copied().unwrap_or(0));
            }
        }
        statistics
    }

    fn add(&mut self, other: &Self) {
        for i in 0..MAX_ORDER {
            self.hypothesis[i] += other.hypothesis[i];
            self.reference[i] += other.reference[i];
            self.matched[i] += other.matched[i];
        }
    }

    fn score(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for i in 0..MAX_ORDER {
            if self.hypothesis[i] > 0 && self.reference[i] > 0 {
                precision += self.matched[i] as f64 / self.hypothesis[i] as f64;
                recall += self.matched[i] as f64 / self.reference[i] as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let weight = BETA * BETA;
        100.0 * (1.0 + weight) * precision * recall / (weight * precision + recall)
    }
}

fn count_ngrams(characters: &[char], order: usize) -> HashMap<&[char], usize> {
    let mut counts = HashMap::new();
    for ngram in characters.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
