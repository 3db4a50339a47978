//! REINFORCE: the gradient of weights that were drawn.

use super::{AlignmentError, Draw};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A loss whose gradient is `-Σ advantage · ∂ ln p(draw)`, summed over the batch (Williams 1992). All
/// draws of a row, be they of heads, queries, steps or layers, share its advantage, the reward less a
/// baseline that does not depend on the draw. No gradient passes through the advantage; the value of
/// the loss has no meaning.
///
/// # Shapes
/// - `draws`: each of `[batch, heads, queries]`, at least one
/// - `advantage`: `[batch]`
/// - result: `[1]`
///
/// # Panics
/// If there is no draw, or one differs from the advantage in its batch.
pub fn reinforce_loss(draws: &[Draw], advantage: Tensor<1>) -> Tensor<1> {
    let log_prob = sum_rows(draws, advantage.dims()[0], |draw| &draw.log_prob);
    (log_prob * advantage.detach()).sum().neg()
}

/// The reward of each row less that of the other rows per item, times its own items: a baseline that
/// does not depend on the row's draw, as the leave-one-out baseline of Kool et al. (2019), and needs no
/// memory from step to step. 0 for a single row, which has no baseline.
///
/// # Shapes
/// - `reward` and `items`, the number of items that a row's reward is a sum over: `[batch]`
/// - result: `[batch]`
pub fn leave_one_out_advantage(reward: Tensor<1>, items: Tensor<1>) -> Tensor<1> {
    if reward.dims() == [1] {
        return reward.zeros_like();
    }
    let others = |x: &Tensor<1>| x.clone().sum() - x.clone();
    let baseline = others(&reward) / others(&items) * items;
    reward - baseline
}

/// Of each row, the sum over all draws, `[batch]`.
fn sum_rows(draws: &[Draw], batch: usize, of: impl Fn(&Draw) -> &Tensor<3>) -> Tensor<1> {
    let rows = draws.iter().map(|draw| {
        let [found, heads, queries] = draw.log_prob.dims();
        assert_eq!(found, batch, "reinforce: a draw of batch {found}, rewards of batch {batch}");
        of(draw).clone().reshape([batch, heads * queries]).sum_dim(1).reshape([batch])
    });
    rows.reduce(|one, other| one + other).unwrap_or_else(|| panic!("reinforce: no draw"))
}

/// How much of the baseline stays (Xu et al. 2015, section 4.1).
const DECAY: f64 = 0.9;

/// The learning rule of hard attention, Xu et al. (2015), section 4.1: REINFORCE with a moving
/// average of rewards as the baseline, and an entropy term,
///
/// ```text
/// λ_r (log p(y | s, a) - b) ∂ log p(s | a) + λ_e ∂ H[s]        b ← 0.9 b + 0.1 log p(y | s, a)
/// ```
///
/// The remaining term of the equation, `∂ log p(y | s, a)`, is the gradient of the model's own loss,
/// to which [`loss`](Self::loss) is added. A file may hold a value of this type, with the baseline,
/// so that a run resumes where it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reinforce {
    /// `λ_r`, the weight of the reward.
    pub reward: f64,
    /// `λ_e`, the weight of the entropy.
    pub entropy: f64,
    /// `b`, the moving average of rewards; at first 0.
    #[serde(default)]
    pub baseline: f64,
}

impl Reinforce {
    /// The rule with `λ_r` and `λ_e`, for which the paper has no numbers but those that validation
    /// finds.
    pub fn new(reward: f64, entropy: f64) -> Self {
        Self { reward, entropy, baseline: 0.0 }
    }

    /// # Errors
    /// If a weight is not from 0 to 1e18, or the baseline not from -1e18 to 1e18.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        let refuse = |field, range, value| {
            Err(AlignmentError::Range { alignment: "reinforce", field, range, value })
        };
        for (field, value) in [("reward", self.reward), ("entropy", self.entropy)] {
            if !(0.0..=1e18).contains(&value) {
                return refuse(field, "from 0 to 1e18", value);
            }
        }
        if !(-1e18..=1e18).contains(&self.baseline) {
            return refuse("baseline", "from -1e18 to 1e18", self.baseline);
        }
        Ok(())
    }

    /// A loss whose gradient is the negative of the rule's, averaged over the batch, and moves the
    /// baseline on. Its value has no meaning.
    ///
    /// `reward` is the log-likelihood of the target of each row of the batch, or any other number that
    /// is better when larger. The baseline is that of the calls before: one that depended on this
    /// reward would change the mean of the gradient. A mean reward that is not finite leaves the
    /// baseline as it was.
    ///
    /// # Shapes
    /// - `draws`: each of `[batch, heads, queries]`
    /// - `reward`: `[batch]`
    /// - result: `[1]`
    ///
    /// # Panics
    /// If there is no draw, or one differs from the reward in its batch.
    pub fn loss(&mut self, draws: &[Draw], reward: Tensor<1>) -> Tensor<1> {
        let [batch] = reward.dims();
        let reward = reward.detach();
        let advantage = (reward.clone() - self.baseline) * self.reward; // [b]
        let entropy = sum_rows(draws, batch, |draw| &draw.entropy).sum() * self.entropy;
        let loss = (reinforce_loss(draws, advantage) - entropy) * (1.0 / batch as f64);

        let mean = reward.mean().into_scalar::<f64>();
        if mean.is_finite() {
            self.baseline = DECAY * self.baseline + (1.0 - DECAY) * mean;
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use burn::tensor::activation::log_sigmoid;

    fn draw(batch: usize, device: &Device) -> Draw {
        let tensor = Tensor::ones([batch, 2, 5], device);
        Draw { log_prob: tensor.clone(), entropy: tensor }
    }

    #[test]
    fn the_baseline_is_a_moving_average_that_a_file_keeps() {
        let device = Device::flex();
        let mut rule = Reinforce::new(1.0, 0.0);
        for (reward, expected) in [(2.0, 0.2), (4.0, 0.58), (f32::NAN, 0.58)] {
            rule.loss(&[draw(3, &device)], Tensor::from_floats([reward; 3], &device));
            assert!((rule.baseline - expected).abs() < 1e-12, "{}", rule.baseline);
        }
        let file = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Reinforce>(&file).unwrap(), rule);
    }

    #[test]
    fn nonsense_is_refused() {
        for rule in [Reinforce::new(-1.0, 0.0), Reinforce::new(1.0, f64::NAN)] {
            assert!(matches!(rule.validate(), Err(AlignmentError::Range { .. })), "{rule:?}");
        }
        let rule = Reinforce { baseline: f64::INFINITY, ..Reinforce::new(1.0, 0.1) };
        assert!(rule.validate().is_err());
        assert_eq!(Reinforce::new(1.0, 0.1).validate(), Ok(()));
    }

    #[test]
    #[should_panic(expected = "reinforce: a draw of batch 3, rewards of batch 4")]
    fn draws_and_rewards_are_of_one_batch() {
        let device = Device::flex();
        Reinforce::new(1.0, 0.0).loss(&[draw(3, &device)], Tensor::ones([4], &device));
    }

    #[test]
    #[should_panic(expected = "reinforce: no draw")]
    fn there_is_a_draw() {
        Reinforce::new(1.0, 0.0).loss(&[], Tensor::ones([4], &Device::flex()));
    }

    /// The mean of the gradient over draws is that of the expected reward: a draw of two keys of which one
    /// has the reward 1, in a batch with a row whose reward is always 0.
    #[test]
    fn with_a_leave_one_out_baseline_it_is_unbiased() {
        let device = Device::flex().autodiff();
        let p = 0.3_f64;
        let logit = (p / (1.0 - p)).ln();
        let mut mean = 0.0;
        for (drawn, share) in [(true, p), (false, 1.0 - p)] {
            let x = Tensor::<1>::from_floats([logit as f32], &device).require_grad();
            let sign = if drawn { 1.0 } else { -1.0 };
            let log_prob = log_sigmoid(x.clone() * sign).reshape([1, 1, 1]);
            let log_prob = Tensor::cat(vec![log_prob.clone(), log_prob.zeros_like()], 0);
            let draw = Draw { entropy: log_prob.zeros_like(), log_prob };
            let reward = Tensor::from_floats([if drawn { 1.0 } else { 0.0 }, 0.0], &device);
            let advantage = leave_one_out_advantage(reward, Tensor::ones([2], &device));
            let gradients = reinforce_loss(&[draw], advantage).backward();
            mean += share * x.grad(&gradients).unwrap().into_scalar::<f64>();
        }
        // d E[reward] / d logit = p (1 - p); the loss is minimized.
        assert!((mean + p * (1.0 - p)).abs() < 1e-6, "{mean}");
    }

    /// The others reach 4 with 2 items and 8 with 4, so 2 per item: 3 are expected of 1.5 items.
    #[test]
    fn the_baseline_of_a_row_is_what_the_others_reach_per_item() {
        let device = Device::flex();
        let of = |x: &[f32]| Tensor::<1>::from_floats(x, &device);
        let found = leave_one_out_advantage(of(&[5.0, 4.0, 8.0]), of(&[1.5, 2.0, 4.0]));
        let expected = [5.0 - 3.0, 4.0 - 2.0 * 13.0 / 5.5, 8.0 - 4.0 * 9.0 / 3.5];
        for (found, expected) in found.into_data().iter::<f64>().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(leave_one_out_advantage(of(&[5.0]), of(&[2.0])).into_scalar::<f64>(), 0.0);
    }
}
