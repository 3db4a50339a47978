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

    /// The same with some words unknown, each with `probability` and for itself: no vector, and
    /// nothing that counts would say. Iyyer et al. (2015), "Deep unordered composition rivals
    /// syntactic methods for text classification", section 2.2.1.
    pub(super) fn with_word_dropout(&self, probability: f64, seed: u64) -> Self {
        let mut batch = self.clone();
        for (place, token) in batch.tokens.iter_mut().enumerate() {
            // 53 bits, as many as an f64 has.
            let draw = (combine(seed, place as u64) >> 11) as f64 / (1_u64 << 53) as f64;
            if *token != PAD && draw < probability {
                *token = UNKNOWN;
                batch.ratios[place * RATIOS..][..RATIOS].fill(0.0);
            }
        }
        batch
    }
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
