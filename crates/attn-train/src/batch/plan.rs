//! Which examples go into which batch, in which order.

use std::num::NonZeroUsize;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::BatchError;
use super::shuffle::shuffle;
use crate::with_options::with_options;

/// How examples are gathered into batches.
///
/// ```
/// let config = attn_train::batch::BatchPlanConfig::new(25_000).with_seed(None);
/// assert_eq!(config.max_rows, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchPlanConfig {
    /// Room of a batch: neither of its sides has more tokens than this, padding included
    /// (Vaswani et al. 2017, section 5.1, give 25 000 a side). Default 4096.
    pub tokens: usize,
    /// Most examples of a batch, however short; `None` is no limit. Default `None`.
    pub max_rows: Option<NonZeroUsize>,
    /// Start of the random order; `None` keeps it sorted by length, as evaluation may.
    /// Default `Some(0)`.
    pub seed: Option<u64>,
}

impl BatchPlanConfig {
    /// Batches of at most `tokens` tokens a side.
    pub fn new(tokens: usize) -> Self {
        Self { tokens, ..Self::default() }
    }
}

with_options!(BatchPlanConfig {
    with_max_rows: max_rows: Option<NonZeroUsize>,
    with_seed: seed: Option<u64>,
});

impl Default for BatchPlanConfig {
    fn default() -> Self {
        Self { tokens: 4096, max_rows: None, seed: Some(0) }
    }
}

/// The batches of one epoch as lists of example numbers.
///
/// Examples of like length share a batch, so that little is padded; which of the like ones, and in
/// which order the batches come, is random but a function of `(lengths, config, epoch)` alone.
/// A run that stopped before batch `i` of epoch `e` therefore goes on with
/// `BatchPlan::new(lengths, config, e)?.batch(i)`; there is no other state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlan {
    examples: Vec<usize>,
    /// Each batch as a range of `examples`.
    batches: Vec<Range<usize>>,
    padding: usize,
}

impl BatchPlan {
    /// Plans one epoch. `lengths` holds the steps of every example on each of its sides: one for
    /// plain sequences, two for pairs.
    ///
    /// # Errors
    /// If there are no examples, or one is longer than a batch has room for.
    pub fn new<const SIDES: usize>(
        lengths: &[[usize; SIDES]],
        config: &BatchPlanConfig,
        epoch: u64,
    ) -> Result<Self, BatchError> {
        if lengths.is_empty() {
            return Err(BatchError::NoExamples);
        }
        for (example, sides) in lengths.iter().enumerate() {
            let steps = longest(sides);
            if steps > config.tokens {
                let tokens = config.tokens;
                return Err(BatchError::OverBudget { example: example + 1, steps, tokens });
            }
        }

        let mut examples: Vec<usize> = (0..lengths.len()).collect();
        if let Some(seed) = config.seed {
            shuffle(&mut examples, seed, epoch, EXAMPLES);
        }
        // Stable: among examples of the same lengths the shuffled order stays.
        examples.sort_by_key(|&example| lengths[example]);
        let mut batches = cut(&examples, lengths, config);
        let padding = batches.iter().map(|batch| padding(&examples[batch.clone()], lengths)).sum();
        if let Some(seed) = config.seed {
            shuffle(&mut batches, seed, epoch, BATCHES);
        }
        Ok(Self { examples, batches, padding })
    }

    /// Number of batches.
    #[expect(clippy::len_without_is_empty, reason = "a plan without batches is an error")]
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// The example numbers, from 0, of one batch.
    ///
    /// # Panics
    /// If there is no such batch.
    pub fn batch(&self, index: usize) -> &[usize] {
        let len = self.len();
        assert!(index < len, "batch {index} of a plan of {len} batches");
        &self.examples[self.batches[index].clone()]
    }

    /// The batches in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        self.batches.iter().map(|batch| &self.examples[batch.clone()])
    }

    /// Padding that the batches of the epoch hold, summed over their sides.
    pub fn padding(&self) -> usize {
        self.padding
    }
}

/// Streams of randomness within an epoch.
const EXAMPLES: u64 = 0;
const BATCHES: u64 = 1;

fn longest<const SIDES: usize>(sides: &[usize; SIDES]) -> usize {
    sides.iter().copied().max().unwrap_or(0)
}

/// Fills batch after batch with neighbors in `examples`, each as full as it may be.
fn cut<const SIDES: usize>(
    examples: &[usize],
    lengths: &[[usize; SIDES]],
    config: &BatchPlanConfig,
) -> Vec<Range<usize>> {
    let max_rows = config.max_rows.map_or(usize::MAX, NonZeroUsize::get);
    let mut batches = Vec::new();
    let (mut start, mut width) = (0, 0);
    for (end, &example) in examples.iter().enumerate() {
        let widened = width.max(longest(&lengths[example]));
        let rows = end - start + 1;
        if rows > max_rows || rows * widened > config.tokens {
            batches.push(start..end);
            (start, width) = (end, longest(&lengths[example]));
        } else {
            width = widened;
        }
    }
    batches.push(start..examples.len());
    batches
}

/// Cells of the rectangles of one batch that hold no token.
fn padding<const SIDES: usize>(batch: &[usize], lengths: &[[usize; SIDES]]) -> usize {
    let side = |side: usize| {
        let steps = || batch.iter().map(move |&example| lengths[example][side]);
        steps().max().unwrap_or(0) * batch.len() - steps().sum::<usize>()
    };
    (0..SIDES).map(side).sum()
}
