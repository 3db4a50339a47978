//! One generated sequence.

/// A sequence of tokens with its log-probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The tokens chosen, without the start, the prompt and the end token.
    pub tokens: Vec<u32>,
    /// What hypotheses are ranked by: `log_prob`, for a beam divided by the length penalty.
    pub score: f64,
    /// Sum of the model's log-probabilities of the tokens, and of the end token if there is one.
    ///
    /// These are the model's own, before temperature, penalties, and the tokens a
    /// configuration hides.
    pub log_prob: f64,
    /// Whether it ends with the end token, and not because it reached its maximum length.
    pub finished: bool,
}
