//! Learning from draws.

use super::{AlignmentError, Draw};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

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
    /// `reward` is the log-likelihood of what was to be said in each row of the batch, or any other
    /// number that is better when larger; no gradient passes through it. All draws of a row, be they
    /// of heads, queries, steps or layers, share its reward. The baseline is that of the calls
    /// before: one that knew this reward would not leave the mean of the gradient alone. A mean
    /// reward that is not finite leaves the baseline as it was.
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
        assert!(!draws.is_empty(), "reinforce: no draw to learn from");
        let reward = reward.detach();
        let advantage = (reward.clone() - self.baseline) * self.reward; // [b]
        let rules = draws.iter().map(|draw| {
            let [found, heads, queries] = draw.log_prob.dims();
            assert_eq!(
                found, batch,
                "reinforce: a draw of batch {found}, rewards of batch {batch}"
            );
            let of_rows = |tensor: &Tensor<3>| {
                tensor.clone().reshape([batch, heads * queries]).sum_dim(1).reshape([batch])
            };
            advantage.clone() * of_rows(&draw.log_prob) + of_rows(&draw.entropy) * self.entropy
        });
        let rule = rules.reduce(|one, other| one + other).expect("there is a draw");
        let loss = rule.sum() * (-1.0 / batch as f64);

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
    #[should_panic(expected = "reinforce: no draw to learn from")]
    fn nothing_drawn_teaches_nothing() {
        Reinforce::new(1.0, 0.0).loss(&[], Tensor::ones([4], &Device::flex()));
    }
}
