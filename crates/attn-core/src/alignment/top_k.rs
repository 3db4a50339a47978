//! Softmax over the best keys.

use super::simplex::indicator;
use super::{Aligned, Alignment, AlignmentError, Scores};
use attn_kernels::attention::unfused;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`TopK`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopKConfig {
    /// How many keys a query keeps; of fewer visible keys, all.
    pub k: usize,
}

impl TopKConfig {
    /// A softmax over the `k` best keys.
    pub fn new(k: usize) -> Self {
        Self { k }
    }

    /// # Errors
    /// If `k` is 0.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        AlignmentError::check_sizes("top-k", &[("k", self.k)])
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> TopK {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        TopK { k: self.k }
    }
}

/// Softmax over the `k` best visible scores of each query (Zhao et al. 2019, "Explicit Sparse
/// Transformer"; Gupta et al. 2021); of equal scores, those of earlier keys. A query that sees no more than `k` keys keeps
/// them all, so that the weights are then those of [`Softmax`](super::Softmax).
///
/// What it gives up is a gradient for the scores that are not among the best. Time `n log n` per
/// query of `n` keys, memory of queries × keys: it is selective, not faster.
#[derive(Module, Debug)]
pub struct TopK {
    k: usize,
}

impl Alignment for TopK {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let [.., keys] = scores.dims();
        let values = scores.hidden_as(f64::NEG_INFINITY);
        let values = if self.k < keys {
            let dropped = best(values.clone().detach(), self.k).bool_not();
            values.mask_fill(dropped, f32::NEG_INFINITY)
        } else {
            values
        };
        Aligned::new(unfused::Softmax::new(values, None).weights)
    }
}

/// Which `k` of each row are the largest, the first of equals; `k` is less than their number.
fn best(values: Tensor<4>, k: usize) -> Tensor<4, Bool> {
    let worst = values.clone().sort_descending(3).slice_dim(3, k - 1..k); // [b, h, q, 1]
    let worst = worst.expand(values.dims());
    let above = values.clone().greater(worst.clone());
    let tied = values.clone().equal(worst);
    // Sorting is not stable on every backend, counting is.
    let room = indicator(above.clone(), &values).sum_dim(3).neg().add_scalar(k as f64);
    let place = indicator(tied.clone(), &values).cumsum(3);
    let first = (place - room).lower_equal_elem(0.0);
    above.bool_or(tied.bool_and(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "top-k alignment: k must be at least 1, got 0")]
    fn no_key_at_all_is_refused() {
        TopKConfig::new(0).init(&Device::flex());
    }
}
