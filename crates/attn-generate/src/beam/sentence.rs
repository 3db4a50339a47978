//! The beam of one sentence.

use super::BeamConfig;
use crate::{GenerateError, Hypothesis, logits::Scores};

/// The hypotheses of one sentence: those still growing, and the best of those that ended.
pub(super) struct Sentence {
    /// All of the same length, the most probable first.
    pub live: Vec<Partial>,
    /// The best `n_best`, sorted; among equals the earlier first.
    pub done: Vec<Hypothesis>,
    max_len: usize,
}

/// A hypothesis that has not ended.
#[derive(Clone, Default)]
pub(super) struct Partial {
    pub tokens: Vec<u32>,
    log_prob: f64,
    /// Of each source position, the attention of all steps so far; empty where none is asked for.
    coverage: Vec<f64>,
}

/// A hypothesis of the next step: one of the live ones and a token.
pub(super) struct Extension {
    parent: usize,
    token: u32,
    log_prob: f64,
}

impl Sentence {
    pub fn new(max_len: usize) -> Self {
        Self { live: vec![Partial::default()], done: Vec::new(), max_len }
    }

    /// Adds the attention of a step to the coverage of live hypothesis `parent`.
    pub fn cover(
        &mut self,
        parent: usize,
        weights: &[f32],
        row: usize,
        step: usize,
    ) -> Result<(), GenerateError> {
        if let Some(position) = weights.iter().position(|weight| !weight.is_finite()) {
            let value = weights[position];
            return Err(GenerateError::Weight { row, step, position, value });
        }
        let coverage = &mut self.live[parent].coverage;
        coverage.resize(weights.len(), 0.0);
        coverage.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += f64::from(weight));
        Ok(())
    }

    /// The extensions of live hypothesis `parent` that can matter, the most probable first: one
    /// more than there are beams, since one of them may be the end token.
    pub fn extensions(
        &self,
        parent: usize,
        scores: &Scores,
        hidden: Option<u32>,
        config: &BeamConfig,
    ) -> Vec<Extension> {
        let mut allowed: Vec<_> = scores.allowed(hidden).collect();
        // By logit, which is exact, and not by log-probability, where rounding makes equals.
        let by_rank =
            |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        let wanted = config.beams.saturating_add(1);
        if wanted < allowed.len() {
            allowed.select_nth_unstable_by(wanted, by_rank);
            allowed.truncate(wanted);
        }
        allowed.sort_unstable_by(by_rank);
        let past = self.live[parent].log_prob;
        let extend =
            |(token, _)| Extension { parent, token, log_prob: past + scores.log_prob(token) };
        allowed.into_iter().map(extend).collect()
    }

    /// One step: of `extensions`, of all live hypotheses in order, those that end are done and the
    /// best of the others are live. Returns the parent of each live hypothesis.
    pub fn advance(&mut self, mut extensions: Vec<Extension>, config: &BeamConfig) -> Vec<usize> {
        // Stable: among equals the better parent first, then the better token.
        extensions.sort_by(|a, b| b.log_prob.total_cmp(&a.log_prob));
        let (mut live, mut parents) = (Vec::new(), Vec::new());
        for (rank, Extension { parent, token, log_prob }) in extensions.into_iter().enumerate() {
            if live.len() == config.beams {
                break;
            }
            if Some(token) != config.limits.end {
                let Partial { mut tokens, coverage, .. } = self.live[parent].clone();
                tokens.push(token);
                live.push(Partial { tokens, log_prob, coverage });
                parents.push(parent);
            } else if rank < config.beams {
                // Further down, it has ended only because it was the last that could.
                self.finish(parent, log_prob, config);
            }
        }
        self.live = live;
        self.cut(config);
        self.prune(config);
        parents.truncate(self.live.len());
        parents
    }

    /// Live hypothesis `parent` ends, with this log-probability.
    fn finish(&mut self, parent: usize, log_prob: f64, config: &BeamConfig) {
        let Partial { tokens, coverage, .. } = self.live[parent].clone();
        let score = config.score(log_prob, tokens.len() + 1, &coverage);
        let place = self.done.partition_point(|other| other.score >= score);
        self.done.insert(place, Hypothesis { tokens, score, log_prob, finished: true });
        self.done.truncate(config.n_best);
    }

    /// At the maximum length nothing grows further. The best of what has not ended fill the places left.
    fn cut(&mut self, config: &BeamConfig) {
        let Some(len) = self.live.first().map(|best| best.tokens.len()) else { return };
        if len == self.max_len {
            let cut = self.live.drain(..).map(|Partial { tokens, log_prob, coverage }| {
                let score = config.score(log_prob, len, &coverage);
                Hypothesis { tokens, score, log_prob, finished: false }
            });
            let mut cut: Vec<_> = cut.collect();
            // Stable: among equals the more probable first.
            cut.sort_by(|a, b| b.score.total_cmp(&a.score));
            let room = config.n_best - self.done.len();
            self.done.extend(cut.into_iter().take(room));
        }
    }

    /// Drops the live hypotheses that cannot come among the `n_best` any more.
    ///
    /// A log-probability only falls, and is at most 0; the length penalty grows with the length, and a
    /// coverage penalty is at most 0. So no continuation of a hypothesis scores above its own
    /// log-probability under the length penalty of the maximum length. Dropping changes no result: what its continuations would have pushed out of
    /// the beam is less probable still, and therefore as hopeless.
    fn prune(&mut self, config: &BeamConfig) {
        if self.done.len() == config.n_best {
            let worst = self.done[config.n_best - 1].score;
            let hopes =
                |partial: &Partial| config.normalized(partial.log_prob, self.max_len) > worst;
            self.live.truncate(self.live.partition_point(hopes));
        }
    }
}
