//! How often predictions are exactly right.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use burn::tensor::Tensor;

/// Right ones among all; batches add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Right ones.
    pub right: usize,
    /// All.
    pub total: usize,
}

impl Accuracy {
    /// Share of right ones, from 0 to 1; NaN of nothing.
    pub fn rate(&self) -> f64 {
        self.right as f64 / self.total as f64
    }
}

impl Add for Accuracy {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { right: self.right + other.right, total: self.total + other.total }
    }
}

impl Sum for Accuracy {
    fn sum<I: Iterator<Item = Self>>(batches: I) -> Self {
        batches.fold(Self::default(), Self::add)
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % ({} of {})", 100.0 * self.rate(), self.right, self.total)
    }
}

/// How often the likeliest token is the right one; positions whose target is `pad` do not count.
///
/// # Shapes
/// - logits: `[n, v]`
/// - targets: `n` ids
///
/// # Panics
/// If there are not `n` targets.
pub fn token_accuracy(logits: Tensor<2>, targets: &[u32], pad: u32) -> Accuracy {
    let [n, _] = logits.dims();
    assert!(targets.len() == n, "{n} rows of logits but {} targets", targets.len());
    let predicted = logits.argmax(1).into_data(); // [n, 1]
    let pairs = predicted.iter::<i64>().zip(targets.iter().copied());
    pairs
        .filter(|&(_, target)| target != pad)
        .map(|(token, target)| Accuracy { right: (token == i64::from(target)).into(), total: 1 })
        .sum()
}

/// How often a whole prediction is right: exact match, of strings or of ids.
///
/// # Panics
/// If there are not as many references as hypotheses.
pub fn sequence_accuracy<H: PartialEq<R>, R>(hypotheses: &[H], references: &[R]) -> Accuracy {
    let total = hypotheses.len();
    assert!(total == references.len(), "{total} hypotheses but {} references", references.len());
    let right = hypotheses.iter().zip(references).filter(|(h, r)| h == r).count();
    Accuracy { right, total }
}

/// Perplexity: of how many equally likely tokens a model chooses on average. `nats` is the summed
/// cross-entropy, without label smoothing, of that many tokens.
///
/// # Panics
/// If there are no tokens.
pub fn perplexity(nats: f64, tokens: usize) -> f64 {
    assert!(tokens > 0, "the perplexity of 0 tokens is undefined");
    (nats / tokens as f64).exp()
}
