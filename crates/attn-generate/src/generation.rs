//! One sequence per row, token by token: greedy decoding and sampling.

use crate::logits::Scores;
use crate::start::{Position, RowStart};
use crate::{GenerateError, Hypothesis, Limits, SamplerConfig, Start, StepDecoder};
use std::collections::BTreeSet;
use std::fmt;

/// Takes the most probable token at every step.
///
/// # Errors
/// If the limits, or a row's own maximum length, leave nothing to generate. What goes wrong later
/// is an item of the iterator.
pub fn greedy<D: StepDecoder>(
    decoder: &D,
    start: Start<D::State>,
    limits: Limits,
) -> Result<Generation<'_, D>, GenerateError> {
    limits.validate()?;
    Generation::new(decoder, start, limits, Policy::Greedy)
}

/// Draws every token from the model's distribution, as `config` shapes it.
///
/// # Errors
/// If `config`, or a row's own maximum length, is out of range. What goes wrong later is an item of
/// the iterator.
pub fn sample<D: StepDecoder>(
    decoder: &D,
    start: Start<D::State>,
    config: SamplerConfig,
) -> Result<Generation<'_, D>, GenerateError> {
    config.validate()?;
    Generation::new(decoder, start, config.limits, Policy::Sample(config))
}

/// The token chosen for one row at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The row, as numbered in the [`Start`].
    pub row: usize,
    /// The token; the end token if `finish` is [`Finish::End`].
    pub token: u32,
    /// The model's log-probability of it.
    pub log_prob: f64,
    /// Why the row is done, if it is.
    pub finish: Option<Finish>,
}

/// Why a row is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It chose the end token.
    End,
    /// It has its maximum length.
    Length,
}

/// A batch of sequences being generated: an iterator over steps.
///
/// Every item holds the tokens of the rows that are not done yet, in the order of the rows. Nothing
/// is computed ahead of `next`. Rows that are done leave the model's state, so steps get cheaper.
/// After an error the iterator is at its end.
pub struct Generation<'a, D: StepDecoder> {
    decoder: &'a D,
    policy: Policy,
    limits: Limits,
    /// `None` when all rows are done, or after an error.
    position: Option<Position<D::State>>,
    /// Which row of the start each row of the state is.
    live: Vec<usize>,
    rows: Vec<Row>,
    step: usize,
}

impl<'a, D: StepDecoder> Generation<'a, D> {
    fn new(
        decoder: &'a D,
        start: Start<D::State>,
        limits: Limits,
        policy: Policy,
    ) -> Result<Self, GenerateError> {
        let (position, rows) = start.split(limits.max_len)?;
        let rows: Vec<_> = rows.into_iter().map(Row::new).collect();
        let live = (0..rows.len()).collect();
        Ok(Self { decoder, policy, limits, position, live, rows, step: 0 })
    }

    /// Runs to the end and returns all of every row, what was iterated over before included.
    ///
    /// # Errors
    /// The first that a step has.
    pub fn hypotheses(mut self) -> Result<Vec<Hypothesis>, GenerateError> {
        for step in &mut self {
            step?;
        }
        Ok(self.rows.into_iter().map(|row| row.hypothesis).collect())
    }

    fn advance(&mut self, from: Position<D::State>) -> Result<Vec<Choice>, GenerateError> {
        let (logits, state) = from.logits(self.decoder);
        self.limits.check_end(logits.vocab())?;
        let hidden = self.limits.hidden_after(self.step);

        let mut choices = Vec::with_capacity(self.live.len());
        for (place, &row) in self.live.iter().enumerate() {
            let scores = Scores::new(logits.row(place), row, self.step)?;
            let token = self.policy.choose(&scores, hidden, &self.rows[row], self.step);
            let token = token.ok_or(GenerateError::NothingAllowed { row, step: self.step })?;
            let log_prob = scores.log_prob(token);
            choices.push(Choice { row, token, log_prob, finish: None });
        }
        for choice in &mut choices {
            choice.finish = self.rows[choice.row].push(choice, self.limits.end);
        }

        let open = |&place: &usize| choices[place].finish.is_none();
        let places: Vec<_> = (0..choices.len()).filter(open).collect();
        let tokens = places.iter().map(|&place| choices[place].token).collect();
        self.live = places.iter().map(|&place| choices[place].row).collect();
        self.position = Position::follow(self.decoder, state, logits.rows(), &places, tokens);
        self.step += 1;
        Ok(choices)
    }
}

impl<D: StepDecoder> Iterator for Generation<'_, D> {
    type Item = Result<Vec<Choice>, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let position = self.position.take()?;
        Some(self.advance(position))
    }
}

impl<D: StepDecoder> std::iter::FusedIterator for Generation<'_, D> {}

/// By hand: a derived one would ask the model and its state to be `Debug`.
impl<D: StepDecoder> fmt::Debug for Generation<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("live", &self.live)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Policy {
    Greedy,
    Sample(SamplerConfig),
}

impl Policy {
    fn choose(&self, scores: &Scores, hidden: Option<u32>, row: &Row, step: usize) -> Option<u32> {
        match self {
            Self::Greedy => scores.best(hidden),
            Self::Sample(sampler) => {
                let distribution = sampler.distribution(scores, hidden, &row.seen);
                sampler.draw(&distribution, row.stream, step)
            }
        }
    }
}

/// One row on its way.
struct Row {
    hypothesis: Hypothesis,
    /// The tokens of the prompt and the hypothesis.
    seen: BTreeSet<u32>,
    max_len: usize,
    stream: u64,
}

impl Row {
    fn new(start: RowStart) -> Self {
        let RowStart { prompt, max_len, stream } = start;
        let empty = Hypothesis { tokens: Vec::new(), score: 0.0, log_prob: 0.0, finished: false };
        Self { hypothesis: empty, seen: prompt.into_iter().collect(), max_len, stream }
    }

    fn push(&mut self, choice: &Choice, end: Option<u32>) -> Option<Finish> {
        let hypothesis = &mut self.hypothesis;
        hypothesis.log_prob += choice.log_prob;
        hypothesis.score = hypothesis.log_prob;
        if Some(choice.token) == end {
            hypothesis.finished = true;
            return Some(Finish::End);
        }
        hypothesis.tokens.push(choice.token);
        self.seen.insert(choice.token);
        (hypothesis.tokens.len() == self.max_len).then_some(Finish::Length)
    }
}
