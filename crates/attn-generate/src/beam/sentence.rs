//! The beam of one sentence.

use super::BeamConfig;
use crate::{Hypothesis, logits::Scores};

/// The hypotheses of one sentence: those still growing, and the best of those that ended.
pub(super) struct Sentence {
    /// All of the same length, the most probable first.
    pub live: Vec<Partial>,
    /// The best `n_best`, sorted; among equals the earlier first.
    pub done: Vec<Hypothesis>,
    max_len: usize,
}

/// A hypothesis that has not ended.
#[derive(Default)]
pub(super) struct Partial {
    pub tokens: Vec<u32>,
    log_prob: f64,
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
            let mut tokens = self.live[parent].tokens.clone();
            if Some(token) != config.limits.end {
                tokens.push(token);
                live.push(Partial { tokens, log_prob });
                parents.push(parent);
            } else if rank < config.beams {
                // Further down, it has ended only because it was the last that could.
                self.finish(tokens, log_prob, config);
            }
        }
        self.live = live;
        self.cut(config);
        self.prune(config);
        parents.truncate(self.live.len());
        parents
    }

    fn finish(&mut self, tokens: Vec<u32>, log_prob: f64, config: &BeamConfig) {
        let score = config.score(log_prob, tokens.len() + 1);
        let place = self.done.partition_point(|other| other.score >= score);
        self.done.insert(place, Hypothesis { tokens, score, log_prob, finished: true });
        self.done.truncate(config.n_best);
    }

    /// At the maximum length nothing grows further. What has not ended fills the places left.
    fn cut(&mut self, config: &BeamConfig) {
        let Some(len) = self.live.first().map(|best| best.tokens.len()) else { return };
        if len == self.max_len {
            let room = config.n_best - self.done.len();
            self.done.extend(self.live.drain(..).take(room).map(|Partial { tokens, log_prob }| {
                let score = config.score(log_prob, len);
                Hypothesis { tokens, score, log_prob, finished: false }
            }));
        }
    }

    /// Drops the live hypotheses that cannot come among the `n_best` any more.
    ///
    /// A log-probability only falls, and is at most 0; the penalty grows with the length. So no
    /// continuation of a hypothesis scores above its own log-probability under the penalty of the
    /// maximum length. Dropping changes no result: what its continuations would have pushed out of
    /// the beam is less probable still, and therefore as hopeless.
    fn prune(&mut self, config: &BeamConfig) {
        if self.done.len() == config.n_best {
            let worst = self.done[config.n_best - 1].score;
            let hopes = |partial: &Partial| config.score(partial.log_prob, self.max_len) > worst;
            self.live.truncate(self.live.partition_point(hopes));
        }
    }
}
