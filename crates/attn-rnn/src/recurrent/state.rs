//! The state of a cell.

use burn::tensor::{Int, Tensor};

/// The state of a cell after a step, of each row of a batch.
#[derive(Clone, Debug)]
pub struct State {
    /// The hidden state, which is also the output, `[b, d_hidden]`.
    pub hidden: Tensor<2>,
    /// The memory cell of an LSTM or LSTMN, `[b, d_hidden]`; a GRU has none.
    pub cell: Option<Tensor<2>>,
}

impl State {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.hidden.dims()[0]
    }

    /// Both parts changed alike.
    pub fn map(self, f: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { hidden: f(self.hidden), cell: self.cell.map(f) }
    }

    /// The state of a batch whose row `r` was row `rows[r]`.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        self.map(|tensor| tensor.select(0, rows.clone()))
    }

    /// The features of all, side by side; at least one.
    pub(crate) fn concatenate_features(mut states: Vec<Self>) -> Self {
        if states.len() == 1 {
            return states.remove(0);
        }
        let (hidden, cells): (Vec<_>, Vec<_>) =
            states.into_iter().map(|state| (state.hidden, state.cell)).unzip();
        let cells: Option<Vec<_>> = cells.into_iter().collect();
        Self { hidden: Tensor::cat(hidden, 1), cell: cells.map(|cells| Tensor::cat(cells, 1)) }
    }
}
