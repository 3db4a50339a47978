//! A cell chosen by name.

use super::{GruCell, LstmCell, LstmnCell, Projection, State};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Which cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CellKind {
    /// [`LstmCell`]
    #[default]
    Lstm,
    /// [`GruCell`]
    Gru,
    /// [`LstmnCell`], for encoders and classifiers
    Lstmn,
}

impl CellKind {
    pub(super) fn init(self, dims: [usize; 2], layer_norm: bool, device: &Device) -> Cell {
        match self {
            Self::Lstm => Cell::Lstm(LstmCell::new(dims, layer_norm, device)),
            Self::Gru => Cell::Gru(GruCell::new(dims, layer_norm, device)),
            Self::Lstmn => Cell::Lstmn(LstmnCell::new(dims, layer_norm, device)),
        }
    }

    /// Whether a state has a memory cell beside its hidden state.
    pub(crate) fn has_memory(self) -> bool {
        match self {
            Self::Lstm | Self::Lstmn => true,
            Self::Gru => false,
        }
    }
}

/// One layer in one direction.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has a handful, of one kind")]
#[non_exhaustive]
pub enum Cell {
    /// Long short-term memory.
    Lstm(LstmCell),
    /// Gated recurrent unit.
    Gru(GruCell),
    /// Long short-term memory network.
    Lstmn(LstmnCell),
}

impl Cell {
    /// The linear maps of input and state.
    fn projections(&self) -> [&Projection; 2] {
        match self {
            Self::Lstm(LstmCell { input, recurrent, .. })
            | Self::Lstmn(LstmnCell { lstm: LstmCell { input, recurrent, .. }, .. }) => {
                [input, recurrent]
            }
            Self::Gru(GruCell { input, recurrent }) => [input, recurrent],
        }
    }

    pub(super) fn d_input(&self) -> usize {
        self.projections()[0].weight.dims()[0]
    }

    pub(super) fn d_hidden(&self) -> usize {
        self.projections()[1].weight.dims()[0]
    }

    /// The state of zeros.
    pub(super) fn start(&self, rows: usize, device: &Device, dtype: DType) -> State {
        let zeros = Tensor::zeros([rows, self.d_hidden()], (device, dtype));
        let cell = matches!(self, Self::Lstm(_) | Self::Lstmn(_)).then(|| zeros.clone());
        State { hidden: zeros, cell }
    }

    /// What a step needs of inputs, `[.., d_input]`, for all steps at once.
    pub(super) fn project<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Lstm(LstmCell { input, .. }) | Self::Gru(GruCell { input, .. }) => {
                input.forward(x)
            }
            Self::Lstmn(cell) => cell.project(x),
        }
    }

    /// The state after an input whose projection is `projected`; `kept` are the factors of recurrent
    /// dropout.
    ///
    /// # Panics
    /// If the cell is an LSTMN, of which one state is not enough to go on.
    pub(super) fn step(
        &self,
        projected: Tensor<2>,
        state: State,
        kept: Option<&Tensor<2>>,
    ) -> State {
        let hidden = match kept {
            None => state.hidden.clone(),
            Some(kept) => state.hidden.clone() * kept.clone(),
        };
        match self {
            Self::Lstm(cell) => cell.step(projected, hidden, state),
            Self::Gru(cell) => cell.step(projected, hidden, state),
            Self::Lstmn(_) => {
                panic!("an LSTMN goes on from all states so far: see LstmnCell::step")
            }
        }
    }
}
