//! A few sentences side by side.

use std::num::NonZeroUsize;

use attn_core::random::combine;
use attn_train::batch::{BatchPlan, BatchPlanConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::features::{Example, PAD, RATIOS, UNKNOWN};

/// Sentences side by side, padded to the longest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// `[b, s]`
    tokens: Vec<u32>,
    /// `[b, s, RATIOS]`
    ratios: Vec<f32>,
    pub(super) lengths: Vec<usize>,
    pub(super) labels: Vec<u32>,
}

impl Batch {
    pub(super) fn new<'a>(examples: impl Iterator<Item = &'a Example> + Clone) -> Self {
        let lengths: Vec<usize> = examples.clone().map(|example| example.tokens.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut tokens = Vec::with_capacity(lengths.len() * longest);
        let mut ratios = Vec::with_capacity(lengths.len() * longest * RATIOS);
        for example in examples.clone() {
            tokens.extend(&example.tokens);
            ratios.extend(example.ratios.as_flattened());
            let padding = longest - example.tokens.len();
            tokens.extend(std::iter::repeat_n(PAD, padding));
            ratios.extend(std::iter::repeat_n(0.0, padding * RATIOS));
        }
        let labels = examples.map(|example| u32::from(example.praise)).collect();
        Self { tokens, ratios, lengths, labels }
    }

    fn dims(&self) -> [usize; 2] {
        [self.lengths.len(), self.tokens.len() / self.lengths.len().max(1)]
    }

    /// `[b, s]`
    pub(super) fn tokens(&self, device: &Device) -> Tensor<2, Int> {
        let tokens: Vec<i32> = self.tokens.iter().map(|&token| token as i32).collect();
        Tensor::from_data(TensorData::new(tokens, self.dims()), device)
    }

    /// `[b, s, RATIOS]`
    pub(super) fn ratios(&self, device: &Device) -> Tensor<3> {
        let [b, s] = self.dims();
        Tensor::from_data(TensorData::new(self.ratios.clone(), [b, s, RATIOS]), device)
    }

    /// The same with some words unknown and the ratios of some 0, each with such a probability and
    /// for itself. Iyyer et al. (2015), "Deep unordered composition rivals syntactic methods for
    /// text classification", section 2.2.1.
    pub(super) fn with_dropout(&self, of_words: f64, of_ratios: f64, seed: u64) -> Self {
        let mut batch = self.clone();
        for (place, token) in batch.tokens.iter_mut().enumerate() {
            if *token != PAD && draw(seed, 2 * place) < of_words {
                *token = UNKNOWN;
            }
            if draw(seed, 2 * place + 1) < of_ratios {
                batch.ratios[place * RATIOS..][..RATIOS].fill(0.0);
            }
        }
        batch
    }
}

/// A number in `[0, 1)`, of 53 bits, as many as an f64 has.
fn draw(seed: u64, place: usize) -> f64 {
    (combine(seed, place as u64) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Lists of examples of like length for batches of `rows`; sorted by length without a seed.
///
/// # Panics
///
/// If `rows` is 0.
pub(super) fn plan(
    examples: &[Example],
    rows: usize,
    seed: Option<u64>,
    epoch: u64,
) -> Vec<Vec<usize>> {
    let lengths: Vec<[usize; 1]> = examples.iter().map(|example| [example.tokens.len()]).collect();
    let rows = NonZeroUsize::new(rows);
    assert!(rows.is_some(), "batches of no row");
    let config = BatchPlanConfig { tokens: usize::MAX, max_rows: rows, seed };
    // Of no example there is no batch, and none is too long.
    let plan = BatchPlan::new(&lengths, &config, epoch);
    plan.map_or_else(|_| Vec::new(), |plan| plan.iter().map(<[usize]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(length: usize) -> Example {
        Example {
            tokens: vec![7; length],
            ratios: vec![[1.5; RATIOS]; length],
            praise: length == 2,
        }
    }

    #[test]
    fn rows_are_padded_to_the_longest() {
        let examples = [example(2), example(3)];
        let batch = Batch::new(examples.iter());
        assert_eq!(batch.tokens, [7, 7, PAD, 7, 7, 7]);
        assert_eq!(batch.ratios[2 * RATIOS..3 * RATIOS], [0.0; RATIOS]);
        assert_eq!((&batch.lengths[..], &batch.labels[..]), (&[2, 3][..], &[1, 0][..]));
    }

    #[test]
    fn as_many_words_are_dropped_as_asked() {
        let examples = [example(4000), example(2000)];
        let batch = Batch::new(examples.iter());
        assert_eq!(batch.with_dropout(0.0, 0.0, 3), batch);
        let dropped = batch.with_dropout(0.3, 0.1, 3);
        let unknown = dropped.tokens.iter().filter(|&&token| token == UNKNOWN).count();
        let silent = |batch: &Batch| batch.ratios.iter().filter(|&&r| r == 0.0).count() / RATIOS;
        let silent = silent(&dropped) - silent(&batch);
        // Five standard deviations of 6000 draws: 177 and 116. Padding may fall silent too.
        assert!(unknown.abs_diff(1800) < 178, "{unknown}");
        assert!(silent.abs_diff(600) < 117, "{silent}");
        assert_eq!(dropped.tokens[6000..], batch.tokens[6000..], "padding stays");
        assert_eq!(dropped, batch.with_dropout(0.3, 0.1, 3));
        assert_ne!(dropped, batch.with_dropout(0.3, 0.1, 4));
    }

    #[test]
    fn every_example_is_in_one_batch() {
        let examples: Vec<Example> = (0..23).map(|n| example(1 + n * n % 7)).collect();
        for seed in [None, Some(1)] {
            let batches = plan(&examples, 4, seed, 5);
            assert!(batches.iter().all(|batch| (1..=4).contains(&batch.len())));
            let mut all = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..23).collect::<Vec<_>>());
        }
    }
}
