//! Numbers that know how far f32 may land from them.
//!
//! A comparison needs a tolerance, and a tolerance needs a reason. Here it is computed: every number
//! of the oracle carries a bound on the error that a device may make on the way to it, in whatever
//! order it adds and multiplies. The rules are those of rounding error analysis (Higham 2002,
//! *Accuracy and Stability of Numerical Algorithms*, section 3.1), with three quantities per number:
//!
//! - `value`, computed in f64;
//! - `size`, what the value would be if nothing cancelled: sums of absolute values, products of
//!   sizes. Whatever the order of a sum, no partial sum exceeds it;
//! - `error`, in units of the device's epsilon: each operation adds its operands' errors, as the
//!   sizes amplify them, and one rounding of its own `size`.
//!
//! So the sum of `n` products gets `n / 2` epsilons of the sum of their absolute values, which is
//! the classical bound of a dot product.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// What an exponential, logarithm, hyperbolic tangent or division may be wrong by, in epsilons. The
/// loosest promises among those in use are those of WebGPU (W3C, *WebGPU Shading Language*, section
/// 15.7.4): 2.5 units in the last place for a division and 3 for `exp`, to which twice the exponent
/// is added. `tanh` is promised to 10⁻⁵ only, of which no device that keeps the law makes use.
const ELEMENTARY: f64 = 8.0;

/// What a result too small for a normal f32 may be wrong by, since devices may flush it to zero; in
/// units of epsilon, as errors are.
const UNDERFLOW: f64 = f32::MIN_POSITIVE as f64 / f32::EPSILON as f64;

/// A number with a bound on the error of computing it in lower precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Approx {
    /// As f64 has it.
    pub value: f64,
    size: f64,
    error: f64,
}

impl Approx {
    /// Nothing, to which something may be added.
    pub const ZERO: Self = Self { value: 0.0, size: 0.0, error: 0.0 };

    /// Of what nothing is expected.
    pub const NAN: Self = Self { value: f64::NAN, size: f64::NAN, error: f64::NAN };

    /// A number that the device is given as it stands.
    pub fn exact(value: f64) -> Self {
        Self { value, size: value.abs(), error: 0.0 }
    }

    /// A number that the device rounds before it computes with it.
    pub fn rounded(value: f64) -> Self {
        Self { error: value.abs(), ..Self::exact(value) }
    }

    /// The hyperbolic tangent, whose slope is at most 1.
    ///
    /// Its error is absolute: `(exp(x) - exp(-x)) / (exp(x) + exp(-x))` cancels for small `x`.
    pub fn tanh(self) -> Self {
        Self { value: self.value.tanh(), size: 1.0, error: self.error + ELEMENTARY }
    }

    /// How far from the value a device of this epsilon may land; infinite where f32 may overflow, or
    /// where NaN went in.
    pub fn tolerance(&self, epsilon: f64) -> f64 {
        if self.error.is_nan() { f64::INFINITY } else { self.error * epsilon }
    }

    /// Whether a device of this epsilon may have computed `found`.
    pub fn admits(&self, found: f64, epsilon: f64) -> bool {
        let tolerance = self.tolerance(epsilon);
        found == self.value || tolerance.is_infinite() || (found - self.value).abs() <= tolerance
    }

    /// The result of an operation, with the rounding that it makes itself.
    fn round(value: f64, size: f64, error: f64) -> Self {
        let overflow = size > f64::from(f32::MAX);
        Self { value, size, error: if overflow { f64::INFINITY } else { error + size } }
    }
}

impl Add for Approx {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let size = self.size + other.size;
        Self::round(self.value + other.value, size, self.error + other.error)
    }
}

impl Sub for Approx {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let size = self.size + other.size;
        Self::round(self.value - other.value, size, self.error + other.error)
    }
}

impl Mul for Approx {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let error = self.size * other.error + other.size * self.error + UNDERFLOW;
        Self::round(self.value * other.value, self.size * other.size, error)
    }
}

impl AddAssign for Approx {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Approx {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}

/// The weights `w_j = exp(s_j) / Σ_l exp(s_l)` of scores, and `ln Σ_l exp(s_l)`; the latter is −∞
/// without scores, and all are NaN if one score is, or none is finite.
///
/// The bound of a weight is not `w_j · error`: where scores are 10³⁰, so is their error, and still a
/// weight is at most 1, and the weight of a key that lies behind by more than the errors is 0. So
/// the extremes are computed: `w_j` is largest if its own score is as large and all others are as
/// small as their errors allow.
pub fn softmax(scores: &[Approx], epsilon: f64) -> (Vec<Approx>, Approx) {
    let Some(max) = scores.iter().map(|s| s.value).reduce(f64::max) else {
        return (Vec::new(), Approx::exact(f64::NEG_INFINITY));
    };
    if !max.is_finite() || scores.iter().any(|s| s.value.is_nan()) {
        return (vec![Approx::NAN; scores.len()], Approx::NAN);
    }
    let n = scores.len() as f64;
    // What the exponent of each may be wrong by: the score, its distance to the maximum, and `exp`.
    let slack: Vec<f64> = (scores.iter())
        .map(|s| epsilon * (s.error + ELEMENTARY + 3.0 * (s.value - max).abs()))
        .collect();
    // Less the maximum. A score of -∞ stays there, and one of unlimited error has a value
    // nevertheless.
    let moved = |by: f64| -> Vec<f64> {
        let pairs = scores.iter().zip(&slack);
        let moved = pairs.map(|(score, slack)| match score.value - max {
            score if score.is_infinite() || by == 0.0 => score,
            score => score + by * slack,
        });
        moved.collect()
    };
    let ways = [-1.0, 0.0, 1.0];

    let shares = |by: f64| -> Vec<f64> {
        let others = log_sums_of_others(&moved(-by));
        moved(by)
            .iter()
            .zip(others)
            .map(|(own, others)| 1.0 / (1.0 + (others - own).exp()))
            .collect()
    };
    let [low, value, high] = ways.map(shares);
    let weight = |j: usize| {
        let (low, value, high) = (low[j], value[j], high[j]);
        let rounding = (0.5 * n + ELEMENTARY) * high + UNDERFLOW;
        let error = (high - value).max(value - low) / epsilon + rounding;
        Approx { value, size: high, error }
    };
    let weights = (0..scores.len()).map(weight).collect();

    let log_sum_exp = |by: f64| max + moved(by).into_iter().fold(f64::NEG_INFINITY, log_add_exp);
    let [low, value, high] = ways.map(log_sum_exp);
    let rounding = 0.5 * n + ELEMENTARY + max.abs() + value.abs();
    let error = (high - value).max(value - low) / epsilon + rounding;
    (weights, Approx { value, size: value.abs(), error })
}

/// Of each number the logarithm of the sum of the exponentials of all others.
fn log_sums_of_others(numbers: &[f64]) -> Vec<f64> {
    let mut before = f64::NEG_INFINITY;
    let mut sums = Vec::with_capacity(numbers.len());
    for &number in numbers {
        sums.push(before);
        before = log_add_exp(before, number);
    }
    let mut behind = f64::NEG_INFINITY;
    for (sum, &number) in sums.iter_mut().zip(numbers).rev() {
        *sum = log_add_exp(*sum, behind);
        behind = log_add_exp(behind, number);
    }
    sums
}

/// `ln(exp(a) + exp(b))`
fn log_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if low == f64::NEG_INFINITY || high == f64::INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPSILON: f64 = f32::EPSILON as f64;

    /// Terms that cancel almost completely, added in two orders.
    #[test]
    fn a_sum_may_be_taken_in_any_order() {
        let terms: Vec<f32> = (0..101).map(|i| (i as f32 * 0.7).sin() * 1e3 + 0.1).collect();
        let bounded: Approx = terms.iter().map(|&x| Approx::exact(x.into())).sum();
        let forward: f32 = terms.iter().sum();
        let backward: f32 = terms.iter().rev().sum();
        assert_ne!(forward, backward);
        for found in [forward, backward] {
            assert!(bounded.admits(found.into(), EPSILON), "{found} {bounded:?}");
        }
        assert!(!bounded.admits(f64::from(forward) + 1.0, EPSILON), "{bounded:?}");
    }

    #[test]
    fn weights_are_known_where_scores_are_huge_and_distinct_and_unknown_where_they_tie() {
        let huge = |value| Approx { value, size: 1e30, error: 10.0 * 1e30 };
        let (weights, _) = softmax(&[huge(1e30), huge(-1e30)], EPSILON);
        assert!(weights[0].admits(1.0, EPSILON) && !weights[0].admits(0.999, EPSILON));
        assert!(weights[1].admits(0.0, EPSILON) && !weights[1].admits(0.001, EPSILON));
        let (weights, _) = softmax(&[huge(1e30), huge(1e30)], EPSILON);
        assert!(weights[0].admits(1.0, EPSILON) && weights[0].admits(0.0, EPSILON));
        assert!(!weights[0].admits(f64::NAN, EPSILON));
    }

    #[test]
    fn log_sum_exp_of_nothing_is_minus_infinity() {
        let (weights, lse) = softmax(&[], EPSILON);
        assert!(weights.is_empty());
        assert!(lse.admits(f64::NEG_INFINITY, EPSILON) && !lse.admits(-1e30, EPSILON));
    }

    #[test]
    fn weights_are_shares_of_the_sum_of_exponentials() {
        let scores: Vec<_> = (0..50).map(|j| Approx::exact((j as f64).sin() * 9.0)).collect();
        let (weights, lse) = softmax(&scores, EPSILON);
        let sum: f64 = scores.iter().map(|score| score.value.exp()).sum();
        assert!((lse.value - sum.ln()).abs() < 1e-12);
        for (weight, score) in weights.iter().zip(&scores) {
            assert!((weight.value / (score.value.exp() / sum) - 1.0).abs() < 1e-12, "{weight:?}");
        }
    }

    #[test]
    fn what_overflows_in_f32_is_not_constrained() {
        let product = Approx::exact(1e30) * Approx::exact(1e30);
        assert!(product.admits(f64::NAN, EPSILON));
    }
}
