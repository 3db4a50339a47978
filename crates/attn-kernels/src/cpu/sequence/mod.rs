//! A layer of recurrent cells along its sequences.
//!
//! Rows do not depend on each other. So a task takes some rows through all steps, and threads synchronize only
//! at the end. The matrix of the state is packed once for all steps; the gates of a few units are
//! summed for all rows of the task and activated while they are in the first-level cache.

mod backward;
mod cell;
mod forward;
mod packed;
mod weights;

pub(crate) use backward::{OutputGradients, backward};
pub(crate) use forward::forward;
pub(crate) use weights::{of_bias, of_weight};

use super::schedule::SharedPtr;

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of four gates.
    Lstm,
    /// Of three.
    Gru,
}

impl Kind {
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Last states: the hidden one, and an LSTM's memory cell.
    pub(crate) fn states(self) -> usize {
        match self {
            Self::Lstm => 2,
            Self::Gru => 1,
        }
    }
}

/// One layer in one direction, and the sequences that it reads; all by rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequences<'a> {
    pub kind: Kind,
    /// Number of steps of each row, none more than the one before, nor than `steps`.
    pub lengths: &'a [usize],
    pub steps: usize,
    pub reverse: bool,
    pub d: usize,
    /// Of the state, `[d, gates · d]`.
    pub weight: &'a [f32],
    /// Of a GRU, behind the weight, `[3 · d]`; otherwise empty.
    pub bias: &'a [f32],
    /// The first hidden state, `[rows, d]`.
    pub hidden: &'a [f32],
    /// The first memory cell of an LSTM, `[rows, d]`; otherwise empty.
    pub cell: &'a [f32],
    /// Factors of the hidden state on its way to the matrix, `[rows, d]`.
    pub dropout_factors: Option<&'a [f32]>,
}

impl Sequences<'_> {
    fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Numbers of the gates of all steps.
    fn gates(&self) -> usize {
        self.steps * self.rows() * self.kind.gates() * self.d
    }

    /// Numbers of a hidden state at all steps.
    fn hiddens(&self) -> usize {
        self.steps * self.rows() * self.d
    }

    /// Numbers of the last states.
    fn lasts(&self) -> usize {
        self.kind.states() * self.rows() * self.d
    }

    /// Steps of the longest sequence.
    fn longest(&self) -> usize {
        self.lengths.first().copied().unwrap_or(0)
    }

    /// How many rows have a step; they are the first ones.
    fn active_at(&self, step: usize) -> usize {
        self.lengths.partition_point(|&length| length > step)
    }

    /// The step that an iteration computes.
    fn step_at(&self, iteration: usize) -> usize {
        if self.reverse { self.longest() - 1 - iteration } else { iteration }
    }

    /// The step that a row took before; none before its first.
    fn step_before(&self, step: usize, row: usize) -> Option<usize> {
        if self.reverse {
            Some(step + 1).filter(|&before| before < self.lengths[row])
        } else {
            step.checked_sub(1)
        }
    }

    /// The step of a row's last output; none, if it has no step at all.
    fn last_step(&self, row: usize) -> Option<usize> {
        self.lengths[row].checked_sub(1).map(|last| if self.reverse { 0 } else { last })
    }

    /// About how many operations a pass takes.
    fn work(&self) -> usize {
        self.lengths.iter().sum::<usize>() * self.kind.gates() * self.d * (self.d + 8)
    }

    /// # Panics
    /// If the sizes do not fit.
    #[track_caller]
    fn check(&self) {
        let Self { kind, d, .. } = *self;
        let rows = self.rows();
        assert!(self.longest() <= self.steps, "more steps than {}", self.steps);
        assert!(
            self.lengths.is_sorted_by(|a, b| a >= b),
            "lengths {:?} are not in descending order",
            self.lengths
        );
        assert_eq!(self.weight.len(), kind.gates() * d * d, "a weight of another width");
        assert_eq!(self.hidden.len(), rows * d, "a state of another shape");
        let [of_cell, of_bias] = match kind {
            Kind::Lstm => [rows * d, 0],
            Kind::Gru => [0, 3 * d],
        };
        assert_eq!(self.cell.len(), of_cell, "a memory cell of another shape");
        assert_eq!(self.bias.len(), of_bias, "a bias of another width");
        assert!(
            self.dropout_factors.is_none_or(|dropout_factors| dropout_factors.len() == rows * d),
            "factors of another shape"
        );
    }

    /// How many tasks the rows are divided among.
    fn tasks(&self) -> usize {
        /// With fewer, a task spends its time on reading the matrix.
        const LEAST: usize = 8;
        /// With more, what they carry leaves the caches.
        const MOST: usize = 64;

        let threads = rayon::current_num_threads().min(self.rows() / LEAST).max(1);
        self.rows().div_ceil(MOST).next_multiple_of(threads)
    }
}

/// The rows of a task: every `tasks`-th one, so that each task has long ones and short ones.
#[derive(Clone, Copy, Debug)]
struct TaskRows {
    task: usize,
    tasks: usize,
}

impl TaskRows {
    /// How many of the first `rows` rows.
    fn count(self, rows: usize) -> usize {
        rows.saturating_sub(self.task).div_ceil(self.tasks)
    }

    fn row(self, index: usize) -> usize {
        self.task + index * self.tasks
    }
}

/// `[steps, rows, width]`, of which each task has rows of its own.
#[derive(Clone, Copy, Debug)]
struct Steps {
    start: SharedPtr<f32>,
    rows: usize,
    width: usize,
}

impl Steps {
    fn new(slice: &mut [f32], rows: usize, width: usize) -> Self {
        Self { start: SharedPtr(slice.as_mut_ptr()), rows, width }
    }

    /// A row of a step.
    ///
    /// # Safety
    /// It must be within the slice, which must still be lent, and there may be no other reference to
    /// this row.
    #[inline(always)]
    unsafe fn row<'a>(self, step: usize, row: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(step, row), self.width) }
    }

    /// # Safety
    /// It must be within the slice.
    #[inline(always)]
    unsafe fn at(self, step: usize, row: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.start.at((step * self.rows + row) * self.width) }
    }
}

/// A row of a matrix.
#[inline(always)]
fn row(of: &[f32], row: usize, width: usize) -> &[f32] {
    &of[row * width..][..width]
}

/// Panels alternately from the first to the last and from the last to the first: those that were read at
/// the end of an iteration are still in the caches when the next begins.
#[inline(always)]
fn alternating(iteration: usize, panel: usize, panels: usize) -> usize {
    if iteration.is_multiple_of(2) { panel } else { panels - 1 - panel }
}
