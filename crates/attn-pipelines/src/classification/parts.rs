//! Random splits.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use attn_core::random::combine;

/// One sentence in so many is for the test, and one in so many of the others for validation.
const TEST_SHARE: usize = 5;
const VALID_SHARE: usize = 8;

/// Numbers of sentences, each in one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// To learn from, while it is found out how long to train.
    pub train: Vec<usize>,
    /// To find out how long to train; a part of what may be learnt from.
    pub valid: Vec<usize>,
    /// To test what was learnt.
    pub test: Vec<usize>,
}

impl Parts {
    /// Split number `split` of so many sentences: a fifth is the test, an eighth of the rest
    /// validation.
    pub fn draw(sentences: usize, split: usize, seed: u64) -> Self {
        let mut numbers: Vec<usize> = (0..sentences).collect();
        numbers.shuffle(&mut StdRng::seed_from_u64(combine(seed, split as u64)));
        let mut train = numbers.split_off(sentences.div_ceil(TEST_SHARE));
        let test = numbers;
        let valid = train.split_off(train.len() - train.len().div_ceil(VALID_SHARE));
        Self { train, valid, test }
    }

    /// All that may be learnt from.
    pub fn learning(&self) -> Vec<usize> {
        [self.train.as_slice(), &self.valid].concat()
    }
}
