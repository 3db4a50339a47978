//! Where generation starts, and where it stands after each step.

use crate::{GenerateError, StepDecoder, logits::Logits};
use burn::tensor::Tensor;

/// Where generation starts: a state of one row per sequence, and what each row goes on with.
///
/// | model | state | goes on with |
/// |---|---|---|
/// | encoder–decoder | the encoded sources and an empty cache | [`tokens`](Self::tokens): the start token of each row |
/// | decoder-only, prompt all but its last token run through | the filled cache | [`tokens`](Self::tokens): the last prompt token of each row |
/// | decoder-only, whole prompt run through | the filled cache | [`logits`](Self::logits): those of the last prompt position |
#[derive(Clone, Debug)]
pub struct Start<S> {
    position: Position<S>,
    prompts: Vec<Vec<u32>>,
    max_lens: Vec<usize>,
    streams: Vec<u64>,
}

impl<S> Start<S> {
    /// Starts with a step: `tokens[i]` goes into row `i` of `state`.
    pub fn tokens(state: S, tokens: Vec<u32>) -> Self {
        let rows = tokens.len();
        Self::new(Position { state, next: Next::Tokens(tokens) }, rows)
    }

    /// Starts with a choice: row `i` of `logits` scores the first token of row `i`.
    ///
    /// # Shapes
    /// - `logits`: `[r, v]`, one row per row of `state`
    pub fn logits(state: S, logits: Tensor<2>) -> Self {
        let [rows, _] = logits.dims();
        Self::new(Position { state, next: Next::Logits(Logits::read(logits)) }, rows)
    }

    fn new(position: Position<S>, rows: usize) -> Self {
        Self {
            position,
            prompts: vec![Vec::new(); rows],
            max_lens: vec![usize::MAX; rows],
            streams: (0..rows as u64).collect(),
        }
    }

    /// Tokens that the repetition penalty counts as already there; by default none.
    ///
    /// # Panics
    /// If there is not one prompt per row.
    pub fn with_prompts(mut self, prompts: Vec<Vec<u32>>) -> Self {
        self.assert_rows("prompts", prompts.len());
        self.prompts = prompts;
        self
    }

    /// A maximum length for each row, where it is smaller than [`max_len`](crate::Limits::max_len).
    ///
    /// # Panics
    /// If there is not one length per row.
    pub fn with_max_lens(mut self, max_lens: Vec<usize>) -> Self {
        self.assert_rows("maximum lengths", max_lens.len());
        self.max_lens = max_lens;
        self
    }

    /// The stream of random numbers each row is sampled with; by default row `i` has stream `i`.
    ///
    /// A row's tokens depend on the seed, its stream and its logits alone. So a sequence that takes
    /// its stream along (say, its line number) is sampled alike in every batch.
    ///
    /// # Panics
    /// If there is not one stream per row.
    pub fn with_streams(mut self, streams: Vec<u64>) -> Self {
        self.assert_rows("streams", streams.len());
        self.streams = streams;
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.max_lens.len()
    }

    #[track_caller]
    fn assert_rows(&self, what: &str, given: usize) {
        let rows = self.rows();
        assert_eq!(given, rows, "{given} {what} for {rows} rows");
    }

    /// The position, `None` if there are no rows; and what is known of each row.
    pub(crate) fn split(
        self,
        max_len: usize,
    ) -> Result<(Option<Position<S>>, Vec<RowStart>), GenerateError> {
        let rows = self.prompts.into_iter().zip(self.max_lens).zip(self.streams);
        let rows: Vec<_> = rows
            .map(|((prompt, own), stream)| RowStart { prompt, max_len: own.min(max_len), stream })
            .collect();
        if let Some(row) = rows.iter().position(|row| row.max_len == 0) {
            return Err(GenerateError::NoRoom { row });
        }
        Ok(((!rows.is_empty()).then_some(self.position), rows))
    }
}

/// What is known of a row before the first step.
pub(crate) struct RowStart {
    pub prompt: Vec<u32>,
    pub max_len: usize,
    pub stream: u64,
}

/// A state, and what it goes on with.
#[derive(Clone, Debug)]
pub(crate) struct Position<S> {
    state: S,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    Tokens(Vec<u32>),
    Logits(Logits),
}

impl<S> Position<S> {
    /// The scores of the next token of each row, and the state after what they depend on.
    pub fn logits<D: StepDecoder<State = S>>(self, decoder: &D) -> (Logits, S) {
        match self.next {
            Next::Logits(logits) => (logits, self.state),
            Next::Tokens(tokens) => {
                let (logits, state) = decoder.step(self.state, &tokens);
                let [rows, _] = logits.dims();
                assert_eq!(rows, tokens.len(), "{rows} rows of logits for {} tokens", tokens.len());
                (Logits::read(logits), state)
            }
        }
    }

    /// Goes on from `state`, of `rows` rows: new row `i` is row `parents[i]` followed by
    /// `tokens[i]`. `None` if no row is left.
    pub fn follow<D: StepDecoder<State = S>>(
        decoder: &D,
        state: S,
        rows: usize,
        parents: &[usize],
        tokens: Vec<u32>,
    ) -> Option<Self> {
        if tokens.is_empty() {
            return None;
        }
        let unchanged = parents.iter().copied().eq(0..rows);
        let state = if unchanged { state } else { decoder.reorder(state, parents) };
        Some(Self { state, next: Next::Tokens(tokens) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "3 streams for 2 rows")]
    fn streams_are_one_per_row() {
        let _ = Start::tokens((), vec![1, 1]).with_streams(vec![5, 6, 7]);
    }

    #[test]
    #[should_panic(expected = "1 prompts for 2 rows")]
    fn prompts_are_one_per_row() {
        let _ = Start::tokens((), vec![1, 1]).with_prompts(vec![vec![4, 5]]);
    }

    #[test]
    #[should_panic(expected = "0 maximum lengths for 2 rows")]
    fn maximum_lengths_are_one_per_row() {
        let _ = Start::tokens((), vec![1, 1]).with_max_lens(vec![]);
    }

    #[test]
    fn the_smaller_maximum_wins_and_zero_is_refused() {
        let start = |own| Start::tokens((), vec![1, 1]).with_max_lens(vec![9, own]).split(7);
        let lens = |rows: Vec<RowStart>| rows.iter().map(|row| row.max_len).collect::<Vec<_>>();
        assert_eq!(lens(start(3).unwrap().1), [7, 3]);
        assert_eq!(start(0).err().unwrap().to_string(), "row 1 has a maximum length of 0");
    }
}
