//! The baseline.

use super::log_ratios::LogRatios;

/// Multinomial naive Bayes over words, with Laplace's smoothing (Manning, Raghavan & Schütze 2008,
/// "Introduction to information retrieval", section 13.2).
///
/// A sentence praises if `log P(praise) - log P(complaint) + Σ r(word) > 0`, with the
/// [log ratios](LogRatios) of its words; words that were never seen do not count.
#[derive(Debug, Clone)]
pub struct NaiveBayes<K> {
    prior: f64,
    ratios: LogRatios<K>,
}

impl<K: Eq + std::hash::Hash + Copy> NaiveBayes<K> {
    /// Counts the words of sentences, each with whether it praises.
    pub fn count<'a>(sentences: impl IntoIterator<Item = (&'a [K], bool)>) -> Self
    where
        K: 'a,
    {
        let mut totals = [0.0_f64; 2];
        let mut words = Vec::new();
        for (sentence, praise) in sentences {
            totals[usize::from(praise)] += 1.0;
            words.extend(sentence.iter().map(|&word| (word, praise)));
        }
        // Of no sentence at all, or of one kind alone, the prior is not a number or infinite.
        let prior = if totals == [0.0; 2] { 0.0 } else { totals[1].ln() - totals[0].ln() };
        Self { prior, ratios: LogRatios::count(words) }
    }

    /// The logarithm of how much likelier praise is than complaint.
    pub fn log_odds(&self, sentence: &[K]) -> f64 {
        self.prior + sentence.iter().map(|word| self.ratios.of(word)).sum::<f64>()
    }

    /// Whether the sentence praises, as far as it can tell.
    pub fn praises(&self, sentence: &[K]) -> bool {
        self.log_odds(sentence) > 0.0
    }
}
