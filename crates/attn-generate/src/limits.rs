//! When a sequence ends.

use crate::GenerateError;
use serde::{Deserialize, Serialize};

/// When a sequence ends: shared by greedy decoding, sampling and beam search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The token that ends a sequence; without one, every sequence has its maximum length.
    pub end: Option<u32>,
    /// The fewest tokens before the end token; until then it is hidden.
    pub min_len: usize,
    /// The most tokens, the end token among them: the most steps of the model, and positions it sees
    /// behind a prompt.
    ///
    /// A sequence that has not ended by then is handed out as it is, not
    /// [`finished`](crate::Hypothesis::finished). A row may have a smaller maximum of its own,
    /// [`Start::with_max_lens`](crate::Start::with_max_lens), and that wins over `min_len` too.
    pub max_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { end: None, min_len: 0, max_len: 256 }
    }
}

impl Limits {
    /// Sequences that end with `end`, of at most `max_len` tokens including it.
    pub fn new(end: u32, max_len: usize) -> Self {
        Self { end: Some(end), min_len: 0, max_len }
    }

    /// Hides the end token until there are `min_len` others.
    pub fn with_min_len(self, min_len: usize) -> Self {
        Self { min_len, ..self }
    }

    /// Checks the lengths against each other.
    ///
    /// # Errors
    /// If `max_len` is 0, or less than `min_len`.
    pub fn validate(&self) -> Result<(), GenerateError> {
        let Self { min_len, max_len, .. } = *self;
        if max_len == 0 {
            return Err(GenerateError::Zero { key: "max_len" });
        }
        if min_len > max_len {
            return Err(GenerateError::Lengths { min_len, max_len });
        }
        Ok(())
    }

    /// What [`validate`](Self::validate) cannot know: the vocabulary shows in the first logits.
    pub(crate) fn check_end(&self, vocab: usize) -> Result<(), GenerateError> {
        match self.end {
            Some(end) if end as usize >= vocab => Err(GenerateError::EndToken { end, vocab }),
            _ => Ok(()),
        }
    }

    /// The token that may not come after `len` tokens.
    pub(crate) fn hidden_after(&self, len: usize) -> Option<u32> {
        self.end.filter(|_| len < self.min_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_leave_nothing_are_refused() {
        let limits = |min_len, max_len| Limits { end: Some(3), min_len, max_len }.validate();
        assert_eq!(limits(0, 0).unwrap_err().to_string(), "max_len is 0, must be at least 1");
        assert_eq!(limits(5, 4).unwrap_err().to_string(), "min_len = 5 is more than max_len = 4");
        assert_eq!(limits(4, 4), Ok(()));
    }

    #[test]
    fn the_end_token_is_hidden_until_the_minimum_length() {
        let limits = Limits { end: Some(3), min_len: 2, max_len: 7 };
        assert_eq!(
            [0, 1, 2, 3].map(|len| limits.hidden_after(len)),
            [Some(3), Some(3), None, None]
        );
        assert_eq!(Limits { end: None, ..limits }.hidden_after(0), None);
    }
}
