//! Windows of one long token stream, for language models.

use super::TokenBatch;

/// A stream of tokens as windows of equal width.
///
/// Window `i` starts at `i * stride`; from each of its tokens a model predicts the one that
/// follows. With `stride == width` every token but the first is predicted exactly once, the last
/// window being as short as the stream leaves it; with `stride == 1` a window starts at every
/// token, as suits training on random windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    stream: Vec<u32>,
    width: usize,
    stride: usize,
}

/// A batch of windows and of what follows each of their tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockBatch {
    /// What the model reads.
    pub input: TokenBatch,
    /// The same windows one token on: what the model is to predict.
    pub target: TokenBatch,
}

impl Blocks {
    /// # Panics
    /// If the width is 0, or the stride is not in `1..=width` (a longer one would skip tokens).
    pub fn new(stream: Vec<u32>, width: usize, stride: usize) -> Self {
        assert!(width > 0, "a window needs at least one step, got width 0");
        assert!(
            (1..=width).contains(&stride),
            "stride {stride} must be between 1 and the width {width}"
        );
        Self { stream, width, stride }
    }

    /// Tokens of a window, and from the start of one to that of the next.
    pub(crate) fn width_and_stride(&self) -> [usize; 2] {
        [self.width, self.stride]
    }

    /// All the tokens.
    pub(crate) fn stream(&self) -> &[u32] {
        &self.stream
    }

    /// Number of windows; 0 if the stream has fewer than two tokens, so nothing to predict.
    pub fn len(&self) -> usize {
        match self.targets() {
            0 => 0,
            targets => 1 + targets.saturating_sub(self.width).div_ceil(self.stride),
        }
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Steps of every window, as [`BatchPlan`](super::BatchPlan) takes them.
    pub fn lengths(&self) -> Vec<[usize; 1]> {
        (0..self.len()).map(|window| [self.steps(window)]).collect()
    }

    /// The given windows as a batch.
    ///
    /// # Panics
    /// If no windows are given, or one does not exist.
    pub fn batch(&self, windows: &[usize]) -> BlockBatch {
        let rows = |shift: usize| -> Vec<&[u32]> {
            windows.iter().map(|&window| self.window(window, shift)).collect()
        };
        BlockBatch {
            input: TokenBatch::from_rows(&rows(0)),
            target: TokenBatch::from_rows(&rows(1)),
        }
    }

    /// Tokens that have one before them.
    fn targets(&self) -> usize {
        self.stream.len().saturating_sub(1)
    }

    fn steps(&self, window: usize) -> usize {
        self.width.min(self.targets() - window * self.stride)
    }

    fn window(&self, window: usize, shift: usize) -> &[u32] {
        let len = self.len();
        assert!(window < len, "window {window} of a stream of {len} windows");
        &self.stream[window * self.stride + shift..][..self.steps(window)]
    }
}
