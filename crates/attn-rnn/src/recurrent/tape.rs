//! All states of sequences so far.

use super::State;
use burn::tensor::Tensor;

/// All hidden states and memory cells of sequences so far: the hidden tape and the memory tape of
/// Cheng et al. (2016), section 3.2, which an [`LstmnCell`](super::LstmnCell) attends to and extends.
#[derive(Clone, Debug)]
pub struct Tape {
    /// The average that the last step started from; before the first step, the state given to
    /// [`start`](Self::start).
    pub(super) summary: State,
    pub(super) entries: Option<Entries>,
}

/// The entries of a tape with at least one, for not all devices have empty tensors.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    /// `h_1 …`, `[b, steps, d_hidden]`
    pub hidden: Tensor<3>,
    /// `c_1 …`, `[b, steps, d_hidden]`
    pub memory: Tensor<3>,
    /// `W_h h_1 …`, `[b, steps, d_hidden]`
    pub projected: Tensor<3>,
}

impl Entries {
    fn map(self, f: impl Fn(Tensor<3>) -> Tensor<3>) -> Self {
        let Self { hidden, memory, projected } = self;
        Self { hidden: f(hidden), memory: f(memory), projected: f(projected) }
    }
}

impl Tape {
    /// An empty tape. The first step, which has nothing to attend to, starts from this state.
    pub fn start(state: State) -> Self {
        Self { summary: state, entries: None }
    }

    /// Number of steps so far.
    pub fn steps(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.hidden.dims()[1])
    }

    /// `h_1 …`, `[b, steps, d_hidden]`; `None` before the first step.
    pub fn hidden(&self) -> Option<Tensor<3>> {
        self.entries.as_ref().map(|entries| entries.hidden.clone())
    }

    /// `c_1 …`, `[b, steps, d_hidden]`; `None` before the first step.
    pub fn memory(&self) -> Option<Tensor<3>> {
        self.entries.as_ref().map(|entries| entries.memory.clone())
    }

    /// Number of sequences.
    pub(super) fn rows(&self) -> usize {
        self.summary.rows()
    }

    /// Keeps the first `rows` sequences.
    pub(super) fn keep_rows(&mut self, rows: usize) {
        if rows < self.rows() {
            self.summary = self.summary.clone().map(|tensor| tensor.slice_dim(0, 0..rows));
            let entries = self.entries.take();
            self.entries = entries.map(|entries| entries.map(|of| of.slice_dim(0, 0..rows)));
        }
    }

    /// Adds the result of a step that started from `summary`; `projected` is `W_h h`.
    pub(super) fn push(&mut self, summary: State, state: [Tensor<2>; 2], projected: Tensor<2>) {
        let [hidden, memory] = state;
        let [hidden, memory, projected] =
            [hidden, memory, projected].map(|row| row.unsqueeze_dim::<3>(1));
        self.summary = summary;
        self.entries = Some(match self.entries.take() {
            None => Entries { hidden, memory, projected },
            Some(tape) => Entries {
                hidden: Tensor::cat(vec![tape.hidden, hidden], 1),
                memory: Tensor::cat(vec![tape.memory, memory], 1),
                projected: Tensor::cat(vec![tape.projected, projected], 1),
            },
        });
    }
}
