//! Hard attention: one key for each query, by a draw.

use super::simplex::{constant, first_of, most_probable};
use super::{Aligned, Alignment, AlignmentError, Draw, Scores};
use crate::random::{combine, next_seed};
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Least logarithm of a ratio of probabilities, so that its product with 0 is a number.
const LEAST_LOGARITHM: f32 = -1e30;

/// Configuration of a [`Hard`] alignment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HardConfig {}

impl HardConfig {
    /// Hard attention.
    pub fn new() -> Self {
        Self::default()
    }

    /// # Errors
    /// None: there is nothing to choose.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        Ok(())
    }

    /// The alignment.
    pub fn init(&self, _device: &Device) -> Hard {
        Hard { training: Param::from_bool(true) }
    }
}

/// Hard attention, Xu et al. (2015), section 4.1: each query draws one key from `softmax(s)`, whose
/// weight is 1; all others are 0.
///
/// The weights have no gradient: that of the scores comes from the [`Draw`] and a reward, by
/// [`reinforce_loss`](super::reinforce_loss) or [`Reinforce`](super::Reinforce). That gradient is exact only
/// in the mean over draws.
///
/// Draws on tensors that autodiff follows, with one seed of this thread's
/// [`random`](crate::random) stream for each call and numbers that are a function of seed, batch,
/// head and query: the same keys on every backend, but where rounding decides; others where a
/// sequence is read in other parts. On other tensors, or where it is frozen, it chooses the most
/// probable key, the first of equals, and nothing is drawn.
///
/// The paper also replaces the draws by the probabilities for half of its images; this does not.
/// Time and memory of queries × keys.
#[derive(Module, Debug)]
pub struct Hard {
    training: Param<Flag>,
}

impl Alignment for Hard {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        if !(scores.values.device().is_autodiff() && self.training.is_enabled()) {
            return Aligned::new(constant(scores, most_probable(scores)));
        }
        let [b, h, q, _] = scores.dims();
        let logs = log_probabilities(scores); // [b, h, q, k]
        let p = scores.only_visible(logs.clone().exp());
        let chosen = draw(p.clone().detach(), next_seed());
        let log_prob = (chosen.clone() * logs.clone()).sum_dim(3).reshape([b, h, q]);
        let entropy = (p * logs).sum_dim(3).neg().reshape([b, h, q]);
        let weights = constant(scores, chosen);
        Aligned { draw: Some(Draw { log_prob, entropy }), ..Aligned::new(weights) }
    }
}

/// `ln softmax(s)`, 0 for hidden keys.
fn log_probabilities(scores: &Scores<'_>) -> Tensor<4> {
    let values = scores.hidden_as(f64::NEG_INFINITY);
    let max = values.clone().detach().max_dim(3); // [b, h, q, 1]
    let blind = max.clone().equal_elem(f32::NEG_INFINITY);
    let below = (values - max.mask_fill(blind.clone(), 0.0)).clamp_min(LEAST_LOGARITHM);
    let sum = below.clone().exp().sum_dim(3).mask_fill(blind, 1.0);
    scores.only_visible(below - sum.log())
}

/// 1 for one key of each row, drawn with these probabilities, by the inverse of their distribution.
fn draw(p: Tensor<4>, seed: u64) -> Tensor<4> {
    let [b, h, q, _] = p.dims();
    // 24 bits, so that every backend and precision has the same numbers, all of them below 1.
    let units = rows(seed, [b, h, q]).map(|row| (row >> 40) as f64 / f64::from(1 << 24));
    let units = TensorData::new(units.collect::<Vec<_>>(), [b, h, q, 1]);
    let units = Tensor::<4>::from_data(units, (&p.device(), p.dtype()));
    let cumulated = p.clone().cumsum(3);
    // The last sum is 1 but for rounding; a key without probability adds nothing and is not first.
    let aim = units * cumulated.clone().max_dim(3); // [b, h, q, 1]
    first_of((cumulated - aim).greater_elem(0.0), &p)
}

/// A number for each row of `[batch, heads, queries]`: a function of its position, not of the sizes.
pub(super) fn rows(seed: u64, [b, h, q]: [usize; 3]) -> impl Iterator<Item = u64> {
    (0..b as u64).flat_map(move |b| {
        let seed = combine(seed, b);
        (0..h as u64).flat_map(move |h| {
            let seed = combine(seed, h);
            (0..q as u64).map(move |i| combine(seed, i))
        })
    })
}
