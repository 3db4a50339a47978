//! How a token is drawn.

use crate::{GenerateError, Limits, logits::Scores, random::uniform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How tokens are drawn: [`sample`](crate::sample).
///
/// The steps apply in the order of the fields, each to what the one before has left. Filters keep
/// at least the most probable token; of equally probable ones, those with the smaller number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerConfig {
    /// When a sequence ends. The end token is hidden before anything else.
    pub limits: Limits,
    /// θ of Keskar et al. (2019), section 4.1: makes tokens that are already there less likely.
    /// At least 1, which is off.
    ///
    /// A logit is divided by θ if it is positive and multiplied if it is negative. (The paper
    /// always divides, which would make a token with a negative logit *more* likely.) Counted are
    /// the tokens chosen so far, and [`Start::with_prompts`](crate::Start::with_prompts).
    pub repetition_penalty: f64,
    /// Logits are divided by this: towards 0 it approaches greedy decoding, 1 is off.
    pub temperature: f64,
    /// Keeps the `k` most probable tokens (Fan et al. 2018).
    pub top_k: Option<usize>,
    /// Keeps the fewest most probable tokens that together have at least this probability, in
    /// (0, 1] (Holtzman et al. 2020, "nucleus"). 1 is off.
    pub top_p: Option<f64>,
    /// Keeps the tokens with at least this share of the probability of the most probable one, in
    /// (0, 1] (Nguyen et al. 2024).
    pub min_p: Option<f64>,
    /// Seed of the random numbers; each row has its own stream of them,
    /// [`Start::with_streams`](crate::Start::with_streams).
    pub seed: u64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::new(Limits::default(), 0)
    }
}

impl SamplerConfig {
    /// Draws from the model's own distribution.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            repetition_penalty: 1.0,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            seed,
        }
    }

    /// Makes tokens that are already there less likely.
    pub fn with_repetition_penalty(self, repetition_penalty: f64) -> Self {
        Self { repetition_penalty, ..self }
    }

    /// Below 1, the likely tokens become likelier; above, less likely.
    pub fn with_temperature(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }

    /// Keeps the `k` most probable tokens.
    pub fn with_top_k(self, k: usize) -> Self {
        Self { top_k: Some(k), ..self }
    }

    /// Keeps the fewest most probable tokens that together have the probability `p`.
    pub fn with_top_p(self, p: f64) -> Self {
        Self { top_p: Some(p), ..self }
    }

    /// Keeps the tokens with at least the share `p` of the probability of the most probable one.
    pub fn with_min_p(self, p: f64) -> Self {
        Self { min_p: Some(p), ..self }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// If one is out of its range; the error names it.
    pub fn validate(&self) -> Result<(), GenerateError> {
        let check = |holds: bool, key, value, range| match holds {
            true => Ok(()),
            false => Err(GenerateError::Range { key, value, range }),
        };
        let Self { repetition_penalty: penalty, temperature, .. } = *self;
        self.limits.validate()?;
        let holds = penalty.is_finite() && penalty >= 1.0;
        check(holds, "repetition_penalty", penalty, "finite and at least 1")?;
        let holds = temperature.is_finite() && temperature > 0.0;
        check(holds, "temperature", temperature, "finite and above 0")?;
        if self.top_k == Some(0) {
            return Err(GenerateError::Zero { key: "top_k" });
        }
        for (key, share) in [("top_p", self.top_p), ("min_p", self.min_p)] {
            let share = share.unwrap_or(1.0);
            check(share > 0.0 && share <= 1.0, key, share, "above 0 and at most 1")?;
        }
        Ok(())
    }

    /// The tokens that may be drawn, with their probabilities; empty if none may.
    pub(crate) fn distribution(
        &self,
        scores: &Scores,
        hidden: Option<u32>,
        seen: &BTreeSet<u32>,
    ) -> Vec<(u32, f64)> {
        let allowed = scores.allowed(hidden);
        let mut kept: Vec<_> = allowed.map(|(token, logit)| (token, f64::from(logit))).collect();
        self.penalize(&mut kept, seen);
        if let Some(k) = self.top_k.filter(|&k| k < kept.len()) {
            kept.select_nth_unstable_by(k, by_rank);
            kept.truncate(k);
        }
        let best = kept.iter().map(|&(_, logit)| logit).fold(f64::NEG_INFINITY, f64::max);
        if let Some(p) = self.top_p.filter(|&p| p < 1.0) {
            kept.sort_unstable_by(by_rank);
            self.weigh(&mut kept, best);
            keep_nucleus(&mut kept, p);
        } else {
            self.weigh(&mut kept, best);
        }
        if let Some(share) = self.min_p {
            // The best token has the weight 1, so a weight is a share of its probability.
            kept.retain(|&(_, weight)| weight >= share);
        }
        let total: f64 = kept.iter().map(|&(_, weight)| weight).sum();
        kept.iter_mut().for_each(|(_, weight)| *weight /= total);
        kept
    }

    /// Draw number `step` of `stream` from a [`distribution`](Self::distribution).
    pub(crate) fn draw(&self, from: &[(u32, f64)], stream: u64, step: usize) -> Option<u32> {
        let mut left = uniform(self.seed, stream, step as u64);
        for &(token, prob) in from {
            if left < prob {
                return Some(token);
            }
            left -= prob;
        }
        // Rounding left the sum just short of 1.
        from.iter().rev().find(|&&(_, prob)| prob > 0.0).map(|&(token, _)| token)
    }

    /// `kept` is in the order of the tokens.
    fn penalize(&self, kept: &mut [(u32, f64)], seen: &BTreeSet<u32>) {
        if self.repetition_penalty == 1.0 {
            return;
        }
        for &token in seen {
            // Tokens that are not allowed are not there to be found.
            if let Ok(place) = kept.binary_search_by_key(&token, |&(token, _)| token) {
                let logit = &mut kept[place].1;
                match *logit > 0.0 {
                    true => *logit /= self.repetition_penalty,
                    false => *logit *= self.repetition_penalty,
                }
            }
        }
    }

    /// Logits become probabilities up to a factor: that of the best token is 1.
    fn weigh(&self, kept: &mut [(u32, f64)], best: f64) {
        kept.iter_mut().for_each(|(_, x)| *x = ((*x - best) / self.temperature).exp());
    }
}

/// The most probable first; a total order, since no two tokens have the same number.
fn by_rank(a: &(u32, f64), b: &(u32, f64)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Cuts `ranked` behind the token with which the share `p` of the weight is reached.
fn keep_nucleus(ranked: &mut Vec<(u32, f64)>, p: f64) {
    let target = p * ranked.iter().map(|&(_, weight)| weight).sum::<f64>();
    let mut mass = 0.0;
    let reached = ranked.iter().position(|&(_, weight)| {
        mass += weight;
        mass >= target
    });
    if let Some(last) = reached {
        ranked.truncate(last + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities 1/2, 1/4, 1/8, 1/16, 1/16 (a forbidden token among them): exact in binary.
    const LOGITS: [f32; 6] = [-3.0, -1.0, f32::NEG_INFINITY, -4.0, -2.0, -4.0];

    /// Logits in units of ln 2, so that weights are powers of two up to rounding.
    fn distribution(config: SamplerConfig, seen: &[u32]) -> Vec<(u32, f64)> {
        config.validate().unwrap();
        let logits = LOGITS.map(|x| x * std::f32::consts::LN_2);
        let scores = Scores::new(&logits, 0, 0).unwrap();
        let mut kept = config.distribution(&scores, None, &seen.iter().copied().collect());
        kept.sort_by_key(|&(token, _)| token);
        kept
    }

    fn support(config: SamplerConfig) -> Vec<u32> {
        distribution(config, &[]).into_iter().map(|(token, _)| token).collect()
    }

    fn config() -> SamplerConfig {
        SamplerConfig::default()
    }

    /// `ln 2` as f32 is off by 3e-8 relative, so a weight of 2⁻⁴ is off by 4 · 3e-8.
    #[track_caller]
    fn assert_probs(kept: &[(u32, f64)], expected: &[(u32, f64)]) {
        assert_eq!(kept.len(), expected.len(), "{kept:?}");
        for (a, b) in kept.iter().zip(expected) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-6, "{kept:?}");
        }
    }

    #[test]
    fn without_filters_it_is_the_softmax() {
        let expected = [(0, 0.125), (1, 0.5), (3, 0.0625), (4, 0.25), (5, 0.0625)];
        assert_probs(&distribution(config(), &[]), &expected);
    }

    #[test]
    fn top_k_keeps_k_and_of_equals_the_first() {
        let top = |k| support(SamplerConfig { top_k: Some(k), ..config() });
        assert_eq!(top(1), [1]);
        assert_eq!(top(3), [0, 1, 4]);
        assert_eq!(top(4), [0, 1, 3, 4]);
        assert_eq!(top(5), [0, 1, 3, 4, 5]);
        assert_eq!(top(99), [0, 1, 3, 4, 5]);
    }

    #[test]
    fn top_p_keeps_the_fewest_that_reach_it() {
        let top = |p| support(SamplerConfig { top_p: Some(p), ..config() });
        assert_eq!(top(0.01), [1]);
        assert_eq!(top(0.49), [1]);
        assert_eq!(top(0.51), [1, 4]);
        assert_eq!(top(0.74), [1, 4]);
        assert_eq!(top(0.76), [0, 1, 4]);
        assert_eq!(top(0.93), [0, 1, 3, 4]);
        assert_eq!(top(0.94), [0, 1, 3, 4, 5]);
        assert_eq!(top(1.0), [0, 1, 3, 4, 5]);
    }

    #[test]
    fn min_p_keeps_a_share_of_the_best() {
        let min = |p| support(SamplerConfig { min_p: Some(p), ..config() });
        assert_eq!(min(0.12), [0, 1, 3, 4, 5]);
        assert_eq!(min(0.13), [0, 1, 4]);
        assert_eq!(min(0.26), [1, 4]);
        assert_eq!(min(0.51), [1]);
        assert_eq!(min(1.0), [1]);
    }

    /// 8 : 4 : 2 among the three best; the nucleus of 0.6 is then 8 + 4 of 14, and of those 4 is
    /// half of 8.
    #[test]
    fn filters_apply_to_what_the_ones_before_have_left() {
        let filtered = SamplerConfig { top_k: Some(3), top_p: Some(0.6), ..config() };
        assert_probs(&distribution(filtered.clone(), &[]), &[(1, 2.0 / 3.0), (4, 1.0 / 3.0)]);
        let filtered = SamplerConfig { min_p: Some(0.6), ..filtered };
        assert_probs(&distribution(filtered, &[]), &[(1, 1.0)]);
    }

    /// At temperature 1/2 the ratios are squared: 64 : 16 : 4 : 1 : 1.
    #[test]
    fn temperature_raises_probabilities_to_a_power() {
        let cold = SamplerConfig { temperature: 0.5, ..config() };
        let expected = [(0, 4.0), (1, 64.0), (3, 1.0), (4, 16.0), (5, 1.0)];
        assert_probs(&distribution(cold, &[]), &expected.map(|(t, w)| (t, w / 86.0)));
        let frozen = SamplerConfig { temperature: f64::MIN_POSITIVE, ..config() };
        let kept = distribution(frozen.clone(), &[]);
        assert!((0..1000).all(|step| frozen.draw(&kept, 0, step) == Some(1)));
    }

    /// The logits are negative, so a penalty of 2 doubles them: 2⁻³ becomes 2⁻⁶.
    #[test]
    fn a_token_that_was_there_is_penalized_once() {
        let penalized = SamplerConfig { repetition_penalty: 2.0, ..config() };
        let weights = [(0, 1.0), (1, 32.0), (3, 4.0), (4, 16.0), (5, 4.0)];
        // The forbidden token 2 and the unknown token 77 change nothing.
        let kept = distribution(penalized, &[0, 0, 2, 77]);
        assert_probs(&kept, &weights.map(|(t, w)| (t, w / 57.0)));

        let positive = [2.0 * std::f32::consts::LN_2, 0.0];
        let scores = Scores::new(&positive, 0, 0).unwrap();
        let penalized = SamplerConfig { repetition_penalty: 2.0, ..config() };
        let kept = penalized.distribution(&scores, None, &BTreeSet::from([0]));
        assert_probs(&kept, &[(0, 2.0 / 3.0), (1, 1.0 / 3.0)]);
    }

    #[test]
    fn no_token_is_drawn_from_an_empty_distribution() {
        let scores = Scores::new(&[0.0, f32::NEG_INFINITY], 0, 0).unwrap();
        let kept = config().distribution(&scores, Some(0), &BTreeSet::new());
        assert_eq!(config().draw(&kept, 0, 0), None);
    }

    /// Rounding may leave the sum of the probabilities short of the number drawn.
    #[test]
    fn the_last_possible_token_is_drawn_when_the_sum_falls_short() {
        let short = [(3, 1e-300), (5, 1e-300), (6, 0.0)];
        assert_eq!(config().draw(&short, 0, 0), Some(5));
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_key() {
        let error = |config: SamplerConfig| config.validate().unwrap_err().to_string();
        for (temperature, said) in [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (1.0 / 0.0, "inf")]
        {
            let expected = format!("temperature = {said} must be finite and above 0");
            assert_eq!(error(SamplerConfig { temperature, ..config() }), expected);
        }
        for (share, said) in [(0.0, "0"), (1.5, "1.5"), (-0.5, "-0.5"), (f64::NAN, "NaN")] {
            let range = "must be above 0 and at most 1";
            let (top_p, min_p) = (Some(share), Some(share));
            assert_eq!(
                error(SamplerConfig { top_p, ..config() }),
                format!("top_p = {said} {range}")
            );
            assert_eq!(
                error(SamplerConfig { min_p, ..config() }),
                format!("min_p = {said} {range}")
            );
        }
        for penalty in [0.5, f64::NAN, f64::INFINITY] {
            let message = error(SamplerConfig { repetition_penalty: penalty, ..config() });
            assert!(message.starts_with("repetition_penalty = "), "{message}");
        }
        let message = error(SamplerConfig { top_k: Some(0), ..config() });
        assert_eq!(message, "top_k is 0, must be at least 1");
        let limits = Limits { max_len: 0, ..Limits::default() };
        assert_eq!(error(SamplerConfig { limits, ..config() }), "max_len is 0, must be at least 1");
    }
}
