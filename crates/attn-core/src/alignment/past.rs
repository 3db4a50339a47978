//! The attention of the steps so far.

use super::Aligned;
use burn::tensor::{Int, Tensor};

/// The attention of the steps before this one, for scores and alignments that depend on it; the others
/// ignore it.
///
/// State is an argument: [`Attention::cross_attend`](crate::mechanism::Attention::cross_attend) takes it and leaves
/// behind what the next step needs, so that a sequence may be read whole, in chunks, or step by step
/// with the same result.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Number of queries that came before: the first of the next ones is query `steps`.
    pub steps: usize,
    /// Weights of the last query, `[batch, heads, keys]`; none at the start.
    pub weights: Option<Tensor<3>>,
    /// Weights of all queries so far, summed: the coverage (See et al. 2017, equation 10),
    /// `[batch, heads, keys]`; none at the start.
    pub coverage: Option<Tensor<3>>,
    /// What the alignment of the last query left for the next, [`Aligned::carry`]; `None` at the start,
    /// and where the weights are enough.
    pub carry: Option<Tensor<3>>,
}

impl Past {
    /// No step yet.
    pub fn start() -> Self {
        Self::default()
    }

    /// Takes in the queries that were just aligned.
    pub fn advance(&mut self, aligned: &Aligned) {
        let [b, h, q, k] = aligned.weights.dims();
        if q == 0 {
            return;
        }
        let last = aligned.weights.clone().slice_dim(2, q - 1..q).reshape([b, h, k]);
        let sum = aligned.weights.clone().sum_dim(2).reshape([b, h, k]);
        self.steps += q;
        self.weights = Some(last);
        self.coverage = Some(match self.coverage.take() {
            None => sum,
            Some(coverage) => coverage + sum,
        });
        self.carry = aligned.carry.clone();
    }

    /// The past of the same queries where there are `keys` keys, some of them new: no query before gave
    /// these any weight.
    ///
    /// # Panics
    /// If there were more keys than that.
    pub fn widen(&mut self, keys: usize) {
        for tensor in [&mut self.weights, &mut self.coverage, &mut self.carry] {
            *tensor = tensor.take().map(|tensor| {
                let [b, h, before] = tensor.dims();
                assert!(before <= keys, "a past of {before} keys, of which there are {keys} now");
                if before == keys {
                    return tensor;
                }
                let zeros =
                    Tensor::zeros([b, h, keys - before], (&tensor.device(), tensor.dtype()));
                Tensor::cat(vec![tensor, zeros], 2)
            });
        }
    }

    /// The past of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        let pick = |tensor: Option<Tensor<3>>| tensor.map(|tensor| tensor.select(0, rows.clone()));
        Self {
            steps: self.steps,
            weights: pick(self.weights),
            coverage: pick(self.coverage),
            carry: pick(self.carry),
        }
    }
}
