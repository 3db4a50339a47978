//! Corpus BLEU, as sacrebleu computes it by default.

use std::collections::HashMap;
use std::fmt;

use super::references::{CountOfReferences, single};
use super::tokenize_13a;

/// Longest n-gram that is counted.
const MAX_ORDER: usize = 4;

/// Corpus BLEU (Papineni et al. 2002) of [`bleu`] or [`bleu_multi`].
///
/// It prints as the line that sacrebleu prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Bleu {
    /// The score, from 0 to 100.
    pub score: f64,
    /// Clipped precision of 1-grams to 4-grams, in percent, smoothed.
    pub precisions: [f64; MAX_ORDER],
    /// Factor for translations that are shorter than their references.
    pub brevity_penalty: f64,
    /// Tokens of the hypotheses.
    pub hypothesis_len: usize,
    /// Tokens of the references, of the closest one where there are several.
    pub reference_len: usize,
    references: CountOfReferences,
}

/// Corpus BLEU with one reference a sentence.
///
/// Tokens are those of [`tokenize_13a`], case counts, and a missing n-gram order is smoothed
/// exponentially (Chen and Cherry 2014, method 3): sacrebleu's defaults (Post 2018).
///
/// # Panics
/// If there are not as many references as hypotheses.
pub fn bleu<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Bleu {
    bleu_multi(hypotheses, &single(references))
}

/// Corpus BLEU with one or more references a sentence: an n-gram counts as often as in the
/// reference that has it most, and lengths are compared with the closest reference.
///
/// # Panics
/// If there are not as many lists of references as hypotheses, or one of them is empty.
pub fn bleu_multi<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[Vec<R>]) -> Bleu {
    let count = CountOfReferences::of(hypotheses.len(), references);
    let mut statistics = Statistics::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let hypothesis = tokenize_13a(hypothesis.as_ref());
        let references: Vec<Vec<String>> =
            references.iter().map(|reference| tokenize_13a(reference.as_ref())).collect();
        statistics.add(&hypothesis, &references);
    }
    statistics.score(count)
}

impl Bleu {
    /// What the score means, in the form of sacrebleu's signatures.
    pub fn signature(&self) -> String {
        let references = self.references;
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "nrefs:{references}|case:mixed|eff:no|tok:13a|smooth:exp|version:attn-train-{version}"
        )
    }
}

impl fmt::Display for Bleu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p1, p2, p3, p4] = self.precisions;
        let (hypothesis_len, reference_len) = (self.hypothesis_len, self.reference_len);
        let ratio = match reference_len {
            0 => 0.0,
            _ => hypothesis_len as f64 / reference_len as f64,
        };
        write!(
            f,
            "BLEU|{} = {:.2} {p1:.1}/{p2:.1}/{p3:.1}/{p4:.1} (BP = {:.3} ratio = {ratio:.3} \
             hyp_len = {hypothesis_len} ref_len = {reference_len})",
            self.signature(),
            self.score,
            self.brevity_penalty,
        )
    }
}

/// Counts summed over a corpus.
#[derive(Default)]
struct Statistics {
    hypothesis_len: usize,
    reference_len: usize,
    /// N-grams that a reference has too, by order.
    correct: [usize; MAX_ORDER],
    /// N-grams of the hypotheses, by order.
    total: [usize; MAX_ORDER],
}

impl Statistics {
    fn add(&mut self, hypothesis: &[String], references: &[Vec<String>]) {
        let closest = |reference: &&Vec<String>| {
            // Of two that are equally close, the shorter.
            (hypothesis.len().abs_diff(reference.len()), reference.len())
        };
        let closest = references.iter().min_by_key(closest).map_or(0, Vec::len);
        self.hypothesis_len += hypothesis.len();
        self.reference_len += closest;

        for order in 1..=MAX_ORDER {
            let mut allowed: HashMap<&[String], usize> = HashMap::new();
            for reference in references {
                for (ngram, count) in count_ngrams(reference, order) {
                    let most = allowed.entry(ngram).or_default();
                    *most = count.max(*most);
                }
            }
            for (ngram, count) in count_ngrams(hypothesis, order) {
                self.total[order - 1] += count;
                self.correct[order - 1] += count.min(allowed.get(ngram).copied().unwrap_or(0));
            }
        }
    }

    fn score(self, references: CountOfReferences) -> Bleu {
        let Self { hypothesis_len, reference_len, correct, total } = self;
        let brevity_penalty = if hypothesis_len >= reference_len {
            1.0
        } else if hypothesis_len == 0 {
            0.0
        } else {
            (1.0 - reference_len as f64 / hypothesis_len as f64).exp()
        };
        let precisions = smoothed_precisions(correct, total);
        // An order without n-grams has precision 0, and so has the whole.
        let mean_log = precisions.iter().map(|p| p.ln()).sum::<f64>() / MAX_ORDER as f64;
        let score = brevity_penalty * mean_log.exp();
        Bleu { score, precisions, brevity_penalty, hypothesis_len, reference_len, references }
    }
}

/// Precisions in percent; each order without a match counts half as much as the one before.
fn smoothed_precisions(correct: [usize; MAX_ORDER], total: [usize; MAX_ORDER]) -> [f64; MAX_ORDER] {
    let mut precisions = [0.0; MAX_ORDER];
    if correct == [0; MAX_ORDER] {
        return precisions;
    }
    let mut halvings = 1.0;
    for order in 0..MAX_ORDER {
        if total[order] == 0 {
            break;
        }
        precisions[order] = if correct[order] == 0 {
            halvings *= 2.0;
            100.0 / (halvings * total[order] as f64)
        } else {
            100.0 * correct[order] as f64 / total[order] as f64
        };
    }
    precisions
}

fn count_ngrams(tokens: &[String], order: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    for ngram in tokens.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
