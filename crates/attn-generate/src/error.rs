//! What can go wrong.

/// Why nothing was generated.
///
/// Rows are those of the [`Start`](crate::Start), for a beam the sentences; rows, steps and tokens
/// count from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A count is zero.
    #[error("{key} is 0, must be at least 1")]
    Zero {
        /// The field of the configuration.
        key: &'static str,
    },
    /// A number is outside its range.
    #[error("{key} = {value} must be {range}")]
    Range {
        /// The field of the configuration.
        key: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// More beams than fit into memory.
    #[error("beams = {beams} is more than {most}: each has a state in memory")]
    TooManyBeams {
        /// Width of the beam asked for.
        beams: usize,
        /// The widest.
        most: usize,
    },
    /// More hypotheses are asked for than the beam has room for.
    #[error("n_best = {n_best} is more than beams = {beams}")]
    NBest {
        /// Hypotheses asked for.
        n_best: usize,
        /// Width of the beam.
        beams: usize,
    },
    /// The shortest length is longer than the longest.
    #[error("min_len = {min_len} is more than max_len = {max_len}")]
    Lengths {
        /// Shortest length.
        min_len: usize,
        /// Longest length.
        max_len: usize,
    },
    /// A row's own maximum length leaves it no token.
    #[error("row {row} has a maximum length of 0")]
    NoRoom {
        /// The row.
        row: usize,
    },
    /// The model has no such token, so nothing would ever end.
    #[error("end token {end} is not in the model's vocabulary of {vocab}")]
    EndToken {
        /// The end token.
        end: u32,
        /// Width of the model's logits.
        vocab: usize,
    },
    /// The model gave a token a score that means nothing: NaN or +∞.
    #[error("row {row}, step {step}: the logit of token {token} is {value}")]
    Logit {
        /// The row.
        row: usize,
        /// The step.
        step: usize,
        /// The token.
        token: usize,
        /// Its logit.
        value: f32,
    },
    /// A penalty needs the attention of a model that gives none, see
    /// [`StepDecoder::attention`](crate::StepDecoder::attention).
    #[error("coverage_penalty needs a model that attends to a source and returns its weights")]
    NoAttention,
    /// The model attended to a source position with a weight that is not finite.
    #[error("row {row}, step {step}: the attention to source position {position} is {value}")]
    Weight {
        /// The row.
        row: usize,
        /// The step.
        step: usize,
        /// The source position.
        position: usize,
        /// Its weight.
        value: f32,
    },
    /// Every token is forbidden, by a logit of −∞ or because it is too early for the end token.
    #[error("row {row}, step {step}: no token is allowed")]
    NothingAllowed {
        /// The row.
        row: usize,
        /// The step.
        step: usize,
    },
}
