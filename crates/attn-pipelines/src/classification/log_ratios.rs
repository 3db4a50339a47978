//! What a word says for praise, from counts.

use std::collections::HashMap;
use std::hash::Hash;

/// Logarithms of how much likelier each thing is in praise than in complaint, Wang & Manning (2012),
/// "Baselines and bigrams: simple, good sentiment and topic classification", section 2.1:
/// `r = log((α + p) / Σ (α + p)) - log((α + q) / Σ (α + q))` with the counts `p` in praise, `q` in
/// complaint, and `α = 1` (Laplace).
#[derive(Debug, Clone)]
pub struct LogRatios<K> {
    ratios: HashMap<K, f64>,
}

impl<K: Eq + Hash> LogRatios<K> {
    /// Counts things, each with whether it is of a praise.
    pub fn count(things: impl IntoIterator<Item = (K, bool)>) -> Self {
        let mut counts: HashMap<K, [u32; 2]> = HashMap::new();
        let mut totals = [0.0; 2];
        for (thing, praise) in things {
            counts.entry(thing).or_default()[usize::from(praise)] += 1;
            totals[usize::from(praise)] += 1.0;
        }
        let kinds = counts.len() as f64;
        let ratio = |[against, for_it]: [u32; 2]| {
            let likelihood = |count: u32, total: f64| (f64::from(count) + 1.0) / (total + kinds);
            (likelihood(for_it, totals[1]) / likelihood(against, totals[0])).ln()
        };
        Self { ratios: counts.into_iter().map(|(thing, counts)| (thing, ratio(counts))).collect() }
    }

    /// Every thing with its ratio.
    pub fn iter(&self) -> impl Iterator<Item = (&K, f64)> {
        self.ratios.iter().map(|(thing, ratio)| (thing, *ratio))
    }

    /// The ratio of a thing; 0 of one that was never seen, which says nothing.
    pub fn of(&self, thing: &K) -> f64 {
        self.ratios.get(thing).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three kinds; praise has four things, complaint two.
    #[test]
    fn ratios_by_hand() {
        let things =
            [("a", true), ("a", true), ("b", true), ("c", true), ("b", false), ("b", false)];
        let ratios = LogRatios::count(things);
        let expected = [
            ("a", (3.0_f64 / 7.0) / (1.0 / 5.0)),
            ("b", (2.0 / 7.0) / (3.0 / 5.0)),
            ("c", (2.0 / 7.0) / (1.0 / 5.0)),
            ("d", 1.0),
        ];
        for (thing, likelihood) in expected {
            // Two roundings of a quotient, and one of its logarithm.
            assert!((ratios.of(&thing) - likelihood.ln()).abs() < 1e-15, "{thing}");
        }
    }
}
