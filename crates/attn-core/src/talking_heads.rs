//! Talking heads: heads that mix their scores and their weights.

use crate::mechanism::MechanismError;
use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of [`TalkingHeads`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TalkingHeadsConfig {
    /// Number of query heads.
    pub heads: usize,
}

impl TalkingHeadsConfig {
    /// Mixtures of so many heads.
    pub fn new(heads: usize) -> Self {
        Self { heads }
    }

    /// # Errors
    /// If there is no head.
    pub fn validate(&self) -> Result<(), MechanismError> {
        MechanismError::check_sizes("talking heads", &[("heads", self.heads)])
    }

    /// The mixtures, at first each head by itself: both matrices are the identity.
    ///
    /// So an attention that is given talking heads, trained or not, starts as what it was. The
    /// identity is no saddle: its gradient has entries off the diagonal as well as on it.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> TalkingHeads {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let identity = || Param::from_tensor(Tensor::eye(self.heads, device));
        TalkingHeads { scores: identity(), weights: identity() }
    }
}

/// Talking heads, Shazeer et al. (2020), section 3: `P_l` mixes the scores of a pair across the
/// heads before the alignment, and `P_w` its weights after it, with as many heads in as out.
///
/// A pair that a head does not see has no part in what the other heads make of it, and gets nothing
/// from them: its score and weight in that head are 0 before a mixture and again behind it. Where
/// all heads see the same, as in the paper, this is the paper's.
///
/// Time `heads · q · k` per head and mixture. What it gives up: the fused kernels, so memory is
/// `q · k`; that heads are independent, so a query whose weights are NaN in one head gets NaN in all
/// that see a key; and weights that sum to 1: those of a head sum to what its column of `P_w` does,
/// where all heads see a key, and some may be negative.
///
/// [`AttentionConfig::talking_heads`](crate::mechanism::AttentionConfig::talking_heads) puts them
/// around an alignment.
#[derive(Module, Debug)]
pub struct TalkingHeads {
    /// `P_l`, `[heads, heads]`: column `n` is what the new head `n` takes of each.
    pub scores: Param<Tensor<2>>,
    /// `P_w`, `[heads, heads]`, likewise.
    pub weights: Param<Tensor<2>>,
}

impl TalkingHeads {
    /// `P_l` on scores, under no mask.
    ///
    /// # Shapes
    /// - `scores` and result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If there is another number of heads.
    pub fn mix_scores(&self, scores: Tensor<4>) -> Tensor<4> {
        mix(self.scores.val(), scores)
    }

    /// `P_w` on weights; what is hidden is to be hidden again behind it.
    ///
    /// # Shapes
    /// - `weights` and result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If there is another number of heads.
    pub fn mix_weights(&self, weights: Tensor<4>) -> Tensor<4> {
        mix(self.weights.val(), weights)
    }

    /// [`mix_scores`](Self::mix_scores) of what is visible; what is hidden, even NaN, counts as 0.
    pub(crate) fn visible_scores(
        &self,
        scores: Tensor<4>,
        visible: Option<&Tensor<4, Bool>>,
    ) -> Tensor<4> {
        self.mix_scores(only(scores, visible))
    }

    /// [`mix_weights`](Self::mix_weights), 0 where hidden.
    pub(crate) fn visible_weights(
        &self,
        weights: Tensor<4>,
        visible: Option<&Tensor<4, Bool>>,
    ) -> Tensor<4> {
        only(self.mix_weights(weights), visible)
    }
}

/// 0 for what is hidden.
fn only(pairs: Tensor<4>, visible: Option<&Tensor<4, Bool>>) -> Tensor<4> {
    match visible {
        None => pairs,
        Some(visible) => pairs.mask_fill(visible.clone().bool_not(), 0.0),
    }
}

/// `out[b, n, i, j] = Σ_h in[b, h, i, j] · P[h, n]`
fn mix(mixture: Tensor<2>, pairs: Tensor<4>) -> Tensor<4> {
    let [batch, heads, queries, keys] = pairs.dims();
    let [found, _] = mixture.dims();
    assert_eq!(found, heads, "talking heads: mixtures of {found} heads, scores of {heads}");
    if pairs.dims().contains(&0) {
        return pairs;
    }
    let mixture = mixture.cast(FloatDType::from(pairs.dtype()));
    let mixture = mixture.transpose().unsqueeze::<3>().expand([batch, heads, heads]);
    let mixed = mixture.matmul(pairs.reshape([batch, heads, queries * keys])); // [b, h, q·k]
    mixed.reshape([batch, heads, queries, keys])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_first_each_head_talks_to_itself() {
        let device = Device::flex();
        let heads = TalkingHeadsConfig::new(3).init(&device);
        let pairs = Tensor::<1, burn::tensor::Int>::arange(0..2 * 3 * 5 * 7, &device).float();
        let pairs: Tensor<4> = pairs.reshape([2, 3, 5, 7]);
        assert_eq!(heads.mix_scores(pairs.clone()).into_data(), pairs.clone().into_data());
        assert_eq!(heads.mix_weights(pairs.clone()).into_data(), pairs.into_data());
    }

    #[test]
    #[should_panic(expected = "talking heads: heads must be at least 1, got 0")]
    fn no_head_is_refused() {
        TalkingHeadsConfig::new(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "talking heads: mixtures of 3 heads, scores of 2")]
    fn heads_must_agree() {
        let device = Device::flex();
        TalkingHeadsConfig::new(3).init(&device).mix_scores(Tensor::ones([1, 2, 5, 7], &device));
    }
}
