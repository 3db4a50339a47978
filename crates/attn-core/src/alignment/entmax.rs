//! α-entmax, with a fixed or a learned α.

use super::simplex::{below_maximum, indicator, normalize, ranks, with_jacobian};
use super::{Aligned, Alignment, AlignmentError, Scores, sparsemax};
use crate::logistic::sigmoid;
use attn_kernels::attention::unfused;
use burn::module::{Module, Param};
use burn::tensor::{Bool, DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// The largest α. There, all keys but those within about 0.01 of the best have the weight 0: what is
/// beyond does not differ from choosing the best.
const MAX_ALPHA: f64 = 100.0;

/// Where `α - 1` stops in a computation: close enough to 0 for a softmax, and not a divisor of 0.
const LEAST_BETA: f64 = 1e-12;

/// No `p^(2 - α)` and no `p^(1 - α)` exceeds e to this power, which f32 holds, and sums of it.
const LARGEST_EXPONENT: f64 = 60.0;

/// The α of an [`Entmax`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntmaxAlpha {
    /// A number from 1 to 100: 1 is softmax, 2 is sparsemax, 1.5 is halfway. Above 2, more keys have
    /// the weight 0 still; but the gradient of a weight grows without bound as the weight vanishes,
    /// and is cut where f32 ends.
    Fixed(f64),
    /// `1 + σ(a)`, between softmax and sparsemax, with a learned `a` for each of so many heads, at
    /// first 0: an α of 1.5 (Correia et al. 2019).
    Learned(usize),
}

/// Configuration of an [`Entmax`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntmaxConfig {
    /// How sparse the weights are.
    pub alpha: EntmaxAlpha,
}

impl Default for EntmaxConfig {
    /// 1.5-entmax.
    fn default() -> Self {
        Self { alpha: EntmaxAlpha::Fixed(1.5) }
    }
}

impl EntmaxConfig {
    /// 1.5-entmax.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another α.
    pub fn with_alpha(self, alpha: EntmaxAlpha) -> Self {
        Self { alpha }
    }

    /// # Errors
    /// If α is not a number from 1 to 100, or learned for no head.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        match self.alpha {
            EntmaxAlpha::Fixed(alpha) if (1.0..=MAX_ALPHA).contains(&alpha) => Ok(()),
            EntmaxAlpha::Fixed(value) => Err(AlignmentError::Range {
                alignment: "entmax",
                field: "alpha",
                range: "from 1 to 100",
                value,
            }),
            EntmaxAlpha::Learned(heads) => {
                AlignmentError::check_sizes("entmax", &[("heads of a learned alpha", heads)])
            }
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Entmax {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        match self.alpha {
            EntmaxAlpha::Fixed(alpha) => Entmax { logits: None, alpha },
            EntmaxAlpha::Learned(heads) => {
                let logits = Param::from_tensor(Tensor::zeros([heads], device));
                Entmax { logits: Some(logits), alpha: 1.5 }
            }
        }
    }
}

/// α-entmax, Peters et al. (2019): `w_j = max(0, (α - 1) s_j - τ(s))^(1 / (α - 1))` with the `τ`
/// that makes the row sum to 1; between softmax (α = 1) and sparsemax (α = 2).
///
/// A key that scores `1 / (α - 1)` less than the best has a weight of exactly 0, and no gradient.
/// For α = 1.5 and 2, `τ` is found by sorting (algorithm 2), exactly; for others by bisection
/// (algorithm 1), and the weights are divided by their sum. Memory of queries × keys, time `k log k`
/// per query, or `k` for each halving: 32 of them in f32.
///
/// A learned α has the gradient of Correia et al. (2019), proposition 1.
#[derive(Module, Debug)]
pub struct Entmax {
    /// `a` of each head, `[heads]`, where α is learned.
    pub logits: Option<Param<Tensor<1>>>,
    alpha: f64,
}

impl Alignment for Entmax {
    /// # Panics
    /// If α was learned for another number of heads.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        Aligned::new(match &self.logits {
            Some(logits) => learned(scores, logits.val()),
            None if self.alpha == 1.0 => {
                unfused::Softmax::new(scores.hidden_as(f64::NEG_INFINITY), None).weights
            }
            None => fixed(scores, self.alpha),
        })
    }
}

fn fixed(scores: &Scores<'_>, alpha: f64) -> Tensor<4> {
    let below = below_maximum(scores);
    if alpha == 2.0 {
        let p = sparsemax::project(below);
        let support = indicator(p.clone().greater_elem(0.0), &p);
        return with_jacobian(scores, p, support);
    }
    if alpha == 1.5 {
        let p = project_by_sorting(below);
        return with_jacobian(scores, p.clone(), p.sqrt());
    }
    let options = (&below.device(), below.dtype());
    let beta = Tensor::full([1, 1, 1, 1], alpha - 1.0, options);
    let solution = bisect(below, beta);
    with_jacobian(scores, solution.p, solution.g)
}

fn learned(scores: &Scores<'_>, logits: Tensor<1>) -> Tensor<4> {
    let [_, heads, ..] = scores.dims();
    let [found] = logits.dims();
    assert_eq!(found, heads, "entmax: an α for {found} heads, scores of {heads}");
    let logits = logits.cast(FloatDType::from(scores.values.dtype()));
    let beta = sigmoid(logits).reshape([1, heads, 1, 1]); // α - 1
    let plain = beta.clone().detach().clamp_min(LEAST_BETA);
    let solution = bisect(below_maximum(scores), plain.clone());
    let slope = solution.slope_in_alpha(plain);
    // As in `with_slope`: a factor of 0 that leaves the value alone, and carries the gradient.
    let moved = beta.clone() - beta.detach();
    with_jacobian(scores, solution.p, solution.g) + slope * moved
}

/// Algorithm 2, 1.5-entmax of rows whose maximum is 0; no gradient passes.
fn project_by_sorting(below: Tensor<4>) -> Tensor<4> {
    // As in sparsemax: nothing below -1 is in the support.
    let z = (below * 0.5).clamp_min(-2.0);
    let sorted = z.clone().sort_descending(3);
    let ranks = ranks(&z);
    let sums = sorted.clone().cumsum(3);
    let mean = sums.clone() / ranks.clone();
    let spread = (sorted.clone() * sorted.clone()).cumsum(3) - sums * mean.clone();
    // A spread above 1 has no root, nor is its rank in the support: with a root of 0, τ is the mean,
    // and the last of unequal numbers is below their mean.
    let root = ((spread.neg() + 1.0) / ranks.clone()).clamp_min(0.0).sqrt();
    let tau = mean - root;
    let size = indicator((sorted - tau.clone()).greater_equal_elem(0.0), &z).sum_dim(3);
    let last = indicator(ranks.equal(size.expand(z.dims())), &z);
    let tau = (tau * last).sum_dim(3); // [b, h, q, 1]
    normalize((z - tau).clamp_min(0.0).powi_scalar(2))
}

/// α-entmax of rows; all without gradient.
struct Solution {
    /// `[b, h, q, k]`: the weights.
    p: Tensor<4>,
    /// `ln p`, of no meaning where a key is not in the support.
    log: Tensor<4>,
    /// `p^(2 - α)` on the support.
    g: Tensor<4>,
    outside: Tensor<4, Bool>,
}

/// Algorithm 1, of rows whose maximum is 0, for a `β = α - 1` that is positive, `[1, h or 1, 1, 1]`.
///
/// Halves the range not of `τ` but of the best weight's logarithm `-l`, which is that of
/// `-τ = exp(-β l)` and lies between `-ln k` and 0. As a function of it,
///
/// ```text
/// ln p_j = -l + ln(1 + β exp(β l) s_j) / β
/// ```
///
/// which becomes `s_j - l`, a softmax, as β goes to 0, where `τ` and the exponent `1 / β` would
/// leave no digit.
fn bisect(below: Tensor<4>, beta: Tensor<4>) -> Solution {
    let [.., keys] = below.dims();
    let logs = |l: Tensor<4>| {
        let factor = (beta.clone() * l.clone()).clamp_max(LARGEST_EXPONENT).exp() * beta.clone();
        let w = below.clone() * factor;
        let outside = w.clone().lower_equal_elem(-1.0);
        let log = ln_1p(w.mask_fill(outside.clone(), 0.0)) / beta.clone() - l;
        (log, outside)
    };
    let halvings = if below.dtype() == DType::F64 { 60 } else { 32 };
    let mut step = (keys as f64).ln();
    let mut l = below.clone().slice_dim(3, 0..1).zeros_like(); // [b, h, q, 1]
    for _ in 0..halvings {
        step *= 0.5;
        let further = l.clone() + step;
        let (log, outside) = logs(further.clone());
        let sum = log.exp().mask_fill(outside, 0.0).sum_dim(3);
        l = l.mask_where(sum.greater_equal_elem(1.0), further);
    }
    let (log, outside) = logs(l);
    let sum = log.clone().exp().mask_fill(outside.clone(), 0.0).sum_dim(3);
    let blind = sum.clone().equal_elem(0.0);
    let log = log - sum.mask_fill(blind, 1.0).log();
    let p = log.clone().exp().mask_fill(outside.clone(), 0.0);
    let g = (log.clone() * (beta.neg() + 1.0)).clamp_max(LARGEST_EXPONENT).exp();
    let g = g.mask_fill(outside.clone(), 0.0);
    Solution { p, log, g, outside }
}

impl Solution {
    /// `∂p / ∂α`, Correia et al. (2019), proposition 1; `beta` as in [`bisect`].
    ///
    /// With `x = -β ln p`, what the logarithm of a weight gains by α at a fixed `l` is
    /// `-(exp(x) - 1 - x) / β²`, and `l` gives the sum back along `g`. That is the paper's formula,
    /// joined under one fraction: its parts grow like `1 / β²` and cancel as α goes to 1, and the
    /// fraction does not. Its limit, `-ln² p / 2`, is the formula's second case.
    fn slope_in_alpha(&self, beta: Tensor<4>) -> Tensor<4> {
        // So little has a weight of 0 in any precision; its square is still a number.
        let log = self.log.clone().clamp_min(-1e4);
        let x = (log.clone() * beta.clone()).neg();
        let p = self.p.clone();
        let direct = (self.g.clone() - p.clone() - p.clone() * x.clone()) / beta.powi_scalar(2);
        // (exp(x) - 1 - x) / x² = Σ x^n / (n + 2)!, whose terms vanish in f64 within 14 for x < 1/2.
        let near = x.clone().lower_elem(0.5);
        let small = x.mask_fill(near.clone().bool_not(), 0.0);
        let series = (0..14).rev().fold(small.zeros_like(), |sum, n| {
            let denominator: f64 = (1..=n + 2).map(f64::from).product();
            sum * small.clone() + 1.0 / denominator
        });
        let series = p * log.powi_scalar(2) * series;
        let gain = direct.mask_where(near, series).neg().mask_fill(self.outside.clone(), 0.0);
        let total = gain.clone().sum_dim(3); // [b, h, q, 1]
        gain - normalize(self.g.clone()) * total
    }
}

/// `ln(1 + w)` for `w > -1`, accurate for small `w` too (Kahan's device): what is lost in rounding
/// `1 + w` is lost in the divisor as well. burn's own is `ln` of the rounded sum on GPUs.
fn ln_1p(w: Tensor<4>) -> Tensor<4> {
    let sum = w.clone() + 1.0;
    let rounded = sum.clone() - 1.0;
    let none = rounded.clone().equal_elem(0.0);
    let ratio = w.clone() / rounded.mask_fill(none.clone(), 1.0);
    (sum.log() * ratio).mask_where(none, w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "entmax alignment: alpha must be from 1 to 100, got 0.9")]
    fn an_alpha_below_one_is_refused() {
        EntmaxConfig::new().with_alpha(EntmaxAlpha::Fixed(0.9)).init(&Device::flex());
    }

    #[test]
    fn so_is_one_that_is_no_number_and_one_for_no_head() {
        for alpha in [f64::NAN, f64::INFINITY, 100.5] {
            let config = EntmaxConfig::new().with_alpha(EntmaxAlpha::Fixed(alpha));
            assert!(matches!(config.validate(), Err(AlignmentError::Range { .. })), "{alpha}");
        }
        let config = EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(0));
        let error = AlignmentError::Zero { alignment: "entmax", field: "heads of a learned alpha" };
        assert_eq!(config.validate(), Err(error));
    }

    #[test]
    fn a_logarithm_near_one_keeps_its_digits() {
        let device = Device::flex();
        let numbers = [1e-30_f32, -1e-9, 3e-8, -1e-3, 0.5, -0.999];
        let w = Tensor::<1>::from_floats(numbers, &device).reshape([1, 1, 1, 6]);
        for (found, w) in ln_1p(w).into_data().iter::<f32>().zip(numbers) {
            assert!((found / w.ln_1p() - 1.0).abs() < 4.0 * f32::EPSILON, "ln(1 + {w}) is {found}");
        }
    }
}
