//! Logits on the host.

use crate::GenerateError;
use burn::tensor::Tensor;

/// The logits of one step, `[r, v]`, read from the device at once.
#[derive(Clone, Debug)]
pub(crate) struct Logits {
    values: Vec<f32>,
    rows: usize,
    vocab: usize,
}

impl Logits {
    pub fn read(logits: Tensor<2>) -> Self {
        let [rows, vocab] = logits.dims();
        let values = logits
            .try_into_vec_as()
            .unwrap_or_else(|error| panic!("the device did not hand over the logits: {error}"));
        Self { values, rows, vocab }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn vocab(&self) -> usize {
        self.vocab
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocab..][..self.vocab]
    }
}

/// The logits of one row, checked, and what makes them log-probabilities.
pub(crate) struct Scores<'a> {
    pub logits: &'a [f32],
    log_sum_exp: f64,
}

impl<'a> Scores<'a> {
    /// Refuses what is no distribution; `row` and `step` are for the error.
    pub fn new(logits: &'a [f32], row: usize, step: usize) -> Result<Self, GenerateError> {
        let mut max = f32::NEG_INFINITY;
        for (token, &value) in logits.iter().enumerate() {
            if value.is_nan() || value == f32::INFINITY {
                return Err(GenerateError::Logit { row, step, token, value });
            }
            max = max.max(value);
        }
        if max == f32::NEG_INFINITY {
            return Err(GenerateError::NothingAllowed { row, step });
        }
        let max = f64::from(max);
        let sum: f64 = logits.iter().map(|&x| (f64::from(x) - max).exp()).sum();
        // The sum holds exp(0), so the logarithm is at least 0 and no log-probability above it.
        Ok(Self { logits, log_sum_exp: max + sum.ln() })
    }

    /// The model's log-probability of `token`.
    pub fn log_prob(&self, token: u32) -> f64 {
        f64::from(self.logits[token as usize]) - self.log_sum_exp
    }

    /// The tokens that may be chosen, in their order: not forbidden by −∞, and not `hidden`.
    pub fn allowed(&self, hidden: Option<u32>) -> impl Iterator<Item = (u32, f32)> {
        let tokens = (0..).zip(self.logits.iter().copied());
        tokens.filter(move |&(token, x)| x > f32::NEG_INFINITY && Some(token) != hidden)
    }

    /// The most probable token that may be chosen; of equals, the one with the smallest number.
    pub fn best(&self, hidden: Option<u32>) -> Option<u32> {
        let better = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
        self.allowed(hidden).reduce(better).map(|(token, _)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_sum_to_one_at_every_magnitude() {
        for scale in [0.0, 1e-30, 1.0, 1e4, 1e30] {
            let logits = [0.5, -1.25, f32::NEG_INFINITY, 2.0, 1.75].map(|x: f32| x * scale);
            let logits = if scale == 0.0 { [0.0; 5] } else { logits };
            let scores = Scores::new(&logits, 0, 0).unwrap();
            let log_probs: Vec<_> = (0..5).map(|token| scores.log_prob(token)).collect();
            let sum: f64 = log_probs.iter().map(|x| x.exp()).sum();
            // Five terms, each off by at most the rounding of its exponent: |x| eps, |x| < 4.
            assert!((sum - 1.0).abs() < 5.0 * 8.0 * f64::EPSILON, "{sum} at scale {scale}");
            assert!(log_probs.iter().all(|&x| x <= 0.0));
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let error = |logits: &[f32]| Scores::new(logits, 2, 3).err().unwrap().to_string();
        assert_eq!(error(&[0.0, f32::NAN]), "row 2, step 3: the logit of token 1 is NaN");
        assert_eq!(error(&[f32::INFINITY, 0.0]), "row 2, step 3: the logit of token 0 is inf");
        assert_eq!(error(&[f32::NEG_INFINITY; 4]), "row 2, step 3: no token is allowed");
        assert_eq!(error(&[]), "row 2, step 3: no token is allowed");
    }

    #[test]
    fn of_equals_the_first_is_best() {
        let scores = Scores::new(&[0.0, 7.0, 7.0, f32::NEG_INFINITY], 0, 0).unwrap();
        assert_eq!(scores.best(None), Some(1));
        assert_eq!(scores.best(Some(1)), Some(2));
        let scores = Scores::new(&[f32::NEG_INFINITY, 7.0], 0, 0).unwrap();
        assert_eq!(scores.best(Some(1)), None);
    }
}
