//! A random model whose every probability is known, and its sequences by brute force.

use attn_generate::StepDecoder;
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::RefCell;

/// CPU devices, both compiled in for tests.
#[allow(deprecated)] // Device::ndarray
pub fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// The first token of every sequence of sentence `i` is `FIRST + i`: outside the vocabulary, so
/// that it cannot be mistaken for a token that was chosen.
pub const FIRST: u32 = 100;

/// A model whose logits are a hash of the whole prefix, about one in nine of them −∞.
pub struct TableModel {
    pub vocab: usize,
    pub seed: u64,
    pub device: Device,
    /// Rows of each step so far.
    pub steps: RefCell<Vec<usize>>,
}

impl TableModel {
    pub fn new(vocab: usize, seed: u64, device: &Device) -> Self {
        Self { vocab, seed, device: device.clone(), steps: RefCell::default() }
    }

    /// The state before anything was fed, one row per sentence.
    pub fn empty(&self, sentences: usize) -> Vec<Vec<u32>> {
        vec![Vec::new(); sentences]
    }

    /// The logits after `prefix`, which starts with the first token.
    pub fn row(&self, prefix: &[u32]) -> Vec<f32> {
        let key = prefix.iter().fold(self.seed, |key, &token| hash(key, u64::from(token)));
        let logit = |token| match hash(key, token) {
            // Never all of them: the last token before the end token is always allowed.
            bits if bits % 9 == 0 && token + 2 != self.vocab as u64 => f32::NEG_INFINITY,
            bits => (bits >> 40) as f32 / (1 << 22) as f32, // in [0, 4)
        };
        (0..self.vocab as u64).map(logit).collect()
    }

    /// How much the step after `prefix` attends to each position of its source: a hash of the whole
    /// prefix, normalized. Sources of different sentences have different lengths.
    pub fn weights(&self, prefix: &[u32]) -> Vec<f32> {
        let key = prefix.iter().fold(!self.seed, |key, &token| hash(key, u64::from(token)));
        let positions = 2 + u64::from(prefix[0]) % 3;
        let weight = |position| (1 + hash(key, position) % 50) as f32;
        let sum: f32 = (0..positions).map(weight).sum();
        (0..positions).map(|position| weight(position) / sum).collect()
    }

    /// The attention that each source position got at all steps of a sequence, that of the end token
    /// included.
    pub fn coverage(&self, first: u32, sequence: &Sequence) -> Vec<f64> {
        let steps = sequence.tokens.len() + usize::from(sequence.finished);
        let mut coverage = vec![0.0; self.weights(&[first]).len()];
        for step in 0..steps {
            let prefix = [&[first], &sequence.tokens[..step]].concat();
            for (sum, weight) in coverage.iter_mut().zip(self.weights(&prefix)) {
                *sum += f64::from(weight);
            }
        }
        coverage
    }

    /// The log-probabilities after `prefix`, in plain f64.
    pub fn log_probs(&self, prefix: &[u32]) -> Vec<f64> {
        let row: Vec<_> = self.row(prefix).into_iter().map(f64::from).collect();
        let log_sum_exp = row.iter().map(|x| x.exp()).sum::<f64>().ln();
        row.iter().map(|x| x - log_sum_exp).collect()
    }

    pub fn tensor(&self, prefixes: &[Vec<u32>]) -> Tensor<2> {
        let values: Vec<_> = prefixes.iter().flat_map(|prefix| self.row(prefix)).collect();
        let data = TensorData::new(values, [prefixes.len(), self.vocab]);
        Tensor::from_data(data, &self.device)
    }
}

impl StepDecoder for TableModel {
    /// The prefix of each row.
    type State = Vec<Vec<u32>>;

    fn step(&self, mut state: Self::State, tokens: &[u32]) -> (Tensor<2>, Self::State) {
        assert_eq!(state.len(), tokens.len(), "one token per row of the state");
        let length = state[0].len();
        for (prefix, &token) in state.iter_mut().zip(tokens) {
            assert_eq!(prefix.len(), length, "rows that are done were dropped");
            prefix.push(token);
        }
        self.steps.borrow_mut().push(state.len());
        (self.tensor(&state), state)
    }

    fn reorder(&self, state: Self::State, rows: &[usize]) -> Self::State {
        rows.iter().map(|&row| state[row].clone()).collect()
    }

    fn attention(&self, state: &Self::State) -> Option<Vec<Vec<f32>>> {
        Some(state.iter().map(|prefix| self.weights(prefix)).collect())
    }
}

fn hash(key: u64, with: u64) -> u64 {
    // Two rounds of a 64-bit multiply–xorshift; any mixing will do here.
    let mut z =
        (key ^ with.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x1234_5678_9ABC_DEF1);
    for _ in 0..2 {
        z = (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    z ^ (z >> 32)
}

/// A sequence and its log-probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    pub tokens: Vec<u32>,
    pub log_prob: f64,
    pub finished: bool,
}

/// Every sequence of positive probability after `first`: those that end after at least `min_len`
/// tokens, and those of `max_len` tokens that have not ended. Depth first.
pub fn all_sequences(
    model: &TableModel,
    first: u32,
    end: u32,
    min_len: usize,
    max_len: usize,
) -> Vec<Sequence> {
    let mut found = Vec::new();
    let mut open = vec![(vec![first], 0.0)];
    while let Some((prefix, log_prob)) = open.pop() {
        let len = prefix.len() - 1;
        if len == max_len {
            found.push(Sequence { tokens: prefix[1..].to_vec(), log_prob, finished: false });
            continue;
        }
        for (token, step) in (0..).zip(model.log_probs(&prefix)) {
            let log_prob = log_prob + step;
            if step == f64::NEG_INFINITY || (token == end && len < min_len) {
                continue;
            }
            if token == end {
                found.push(Sequence { tokens: prefix[1..].to_vec(), log_prob, finished: true });
            } else {
                open.push(([&prefix[..], &[token]].concat(), log_prob));
            }
        }
    }
    found
}

/// The tolerance for a log-probability of at most `len` steps summed in f64: each term has a
/// magnitude below 8 and is off by a few of its eps, whatever the order of summation.
pub fn tolerance(len: usize) -> f64 {
    len as f64 * 8.0 * 8.0 * f64::EPSILON
}
