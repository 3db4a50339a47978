//! Recurrent layers that know where each sequence ends.
//!
//! | cell | paper |
//! |---|---|
//! | [`LstmCell`] | Hochreiter & Schmidhuber 1997; Gers et al. 2000 |
//! | [`GruCell`] | Cho et al. 2014 |
//!
//! [`Recurrent`] stacks either, in one direction or both.

mod cell;
mod gru;
mod init;
mod lstm;
mod packing;
mod projection;
mod run;
mod state;

pub use cell::{Cell, CellKind};
pub use gru::GruCell;
pub use lstm::{CellNorm, LstmCell};
pub(crate) use packing::index;
use packing::{Packing, assert_lengths};
pub use projection::Projection;
pub(crate) use projection::of_each_row;
pub use state::State;

use crate::config::{ConfigError, check_nonzero, check_probability, expect_valid};
use attn_core::{Dropout, DropoutConfig};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Int, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// Configuration of [`Recurrent`] layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Which cell.
    #[serde(default)]
    pub cell: CellKind,
    /// Width of an input.
    pub d_input: usize,
    /// Width of a state, in each direction.
    pub d_hidden: usize,
    /// Number of layers.
    #[serde(default = "default_layers")]
    pub layers: usize,
    /// Whether each layer reads its input backwards too.
    #[serde(default)]
    pub bidirectional: bool,
    /// Probability to drop an input of a layer behind the first.
    #[serde(default)]
    pub dropout: f64,
    /// Probability to drop a feature of the state on its way from a step to the next, the same ones
    /// at all steps of a sequence (Gal & Ghahramani 2016).
    #[serde(default)]
    pub recurrent_dropout: f64,
    /// Whether gates and memory cells are normalised (Ba, Kiros & Hinton 2016).
    #[serde(default)]
    pub layer_norm: bool,
}

fn default_layers() -> usize {
    1
}

impl RecurrentConfig {
    /// One layer of such cells, forwards.
    pub fn new(cell: CellKind, d_input: usize, d_hidden: usize) -> Self {
        Self {
            cell,
            d_input,
            d_hidden,
            layers: default_layers(),
            bidirectional: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            layer_norm: false,
        }
    }

    /// One layer of LSTM cells, forwards.
    pub fn lstm(d_input: usize, d_hidden: usize) -> Self {
        Self::new(CellKind::Lstm, d_input, d_hidden)
    }

    /// One layer of GRU cells, forwards.
    pub fn gru(d_input: usize, d_hidden: usize) -> Self {
        Self::new(CellKind::Gru, d_input, d_hidden)
    }

    /// Width of an output: both directions side by side, where there are two.
    pub fn d_output(&self) -> usize {
        self.directions() * self.d_hidden
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// # Errors
    /// If a size is zero or a probability is not in `[0, 1)`; the error names the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_nonzero("d_input", self.d_input)?;
        check_nonzero("d_hidden", self.d_hidden)?;
        check_nonzero("layers", self.layers)?;
        check_probability("dropout", self.dropout)?;
        check_probability("recurrent_dropout", self.recurrent_dropout)
    }

    /// The layers, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Recurrent {
        expect_valid(self.validate());
        let layer = |layer| {
            let d_input = if layer == 0 { self.d_input } else { self.d_output() };
            let cell = || self.cell.init([d_input, self.d_hidden], self.layer_norm, device);
            Layer { forward: cell(), reverse: self.bidirectional.then(cell) }
        };
        Recurrent {
            layers: (0..self.layers).map(layer).collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            recurrent_dropout: DropoutConfig::new(self.recurrent_dropout).init(),
        }
    }
}

/// Stacked recurrent layers, in one direction or both.
///
/// What holds:
/// - A sequence's state freezes behind its last real step, and the reverse direction starts at it.
/// - Outputs behind a sequence's end are 0. What padding holds does not matter, not even NaN.
/// - On the processor backends, in f32, a padded batch gives bit for bit what each of its sequences
///   gives alone.
/// - A sequence of no step at all has no output, and its last state is the one it started with.
///
/// ```
/// use attn_rnn::RecurrentConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(3, 8) };
/// let layers = config.init(&device);
/// // Two sequences, of five steps and of two.
/// let output = layers.forward(Tensor::ones([2, 5, 3], &device), &[5, 2], None);
/// assert_eq!(output.outputs.dims(), [2, 5, 16]);
/// ```
#[derive(Module, Debug)]
pub struct Recurrent {
    /// The first reads the input, each further one the outputs of the one below.
    pub layers: Vec<Layer>,
    /// Acts on the inputs of all layers but the first.
    pub dropout: Dropout,
    /// Acts on states, on their way to the next step.
    pub recurrent_dropout: Dropout,
}

/// One layer.
#[derive(Module, Debug)]
pub struct Layer {
    /// Reads from the first step to the last.
    pub forward: Cell,
    /// Reads from the last step to the first, where there are two directions.
    pub reverse: Option<Cell>,
}

impl Layer {
    fn cells(&self) -> impl Iterator<Item = &Cell> {
        std::iter::once(&self.forward).chain(&self.reverse)
    }
}

/// What [`Recurrent::forward`] returns.
#[derive(Clone, Debug)]
pub struct RecurrentOutput {
    /// States of the last layer at all steps, both directions side by side, `[b, s, d_output]`; 0
    /// behind a sequence's end.
    pub outputs: Tensor<3>,
    /// The last state of each layer and direction, as torch orders them: layer 0 forwards, layer 0
    /// in reverse, layer 1 forwards, …
    pub states: Vec<State>,
}

/// Factors of recurrent dropout for one batch of sequences, of each layer and direction.
#[derive(Clone, Debug)]
pub struct RecurrentDropout(Vec<Option<Tensor<2>>>);

impl RecurrentDropout {
    /// Those of a batch whose row `r` was row `rows[r]`.
    pub(crate) fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        let pick = |kept: Option<Tensor<2>>| kept.map(|kept| kept.select(0, rows.clone()));
        Self(self.0.into_iter().map(pick).collect())
    }
}

impl Recurrent {
    /// The outputs and last states of sequences, which start from `start`, or from zeros.
    ///
    /// # Shapes
    /// - `x`: `[b, s, d_input]`
    /// - `lengths`: the number of real steps of each row
    /// - `start`: as [`RecurrentOutput::states`]
    ///
    /// # Panics
    /// If the shapes or lengths do not fit.
    pub fn forward(
        &self,
        x: Tensor<3>,
        lengths: &[usize],
        start: Option<Vec<State>>,
    ) -> RecurrentOutput {
        let [b, ..] = x.dims();
        let (device, dtype) = (x.device(), x.dtype());
        let start = start.unwrap_or_else(|| self.start(b, &device, FloatDType::from(dtype)));
        let kept = self.draw(b, &device, FloatDType::from(dtype));
        self.continue_with(x, lengths, start, &kept)
    }

    /// [`forward`](Self::forward) where recurrent dropout was drawn before.
    pub(crate) fn continue_with(
        &self,
        x: Tensor<3>,
        lengths: &[usize],
        start: Vec<State>,
        kept: &RecurrentDropout,
    ) -> RecurrentOutput {
        let [b, s, _] = x.dims();
        assert_lengths(lengths, b, s);
        assert_shape!(x, [b, s, self.d_input()]);
        self.assert_states(&start, b);

        let packing = Packing::new(lengths);
        let mut x = packing.without_padding(packing.sort(x)).swap_dims(0, 1); // [s, b, d_input]
        let mut states = Vec::with_capacity(start.len());
        let mut each = start.into_iter().zip(&kept.0);
        for (number, layer) in self.layers.iter().enumerate() {
            if number > 0 {
                x = self.dropout.forward(x);
            }
            let mut sides = Vec::with_capacity(2);
            // The zip of cells with their states stands behind: it asks for a cell first.
            for ((side, cell), (start, kept)) in layer.cells().enumerate().zip(each.by_ref()) {
                let start = start.map(|tensor| packing.sort(tensor));
                let kept = kept.clone().map(|kept| packing.sort(kept));
                let (outputs, last) = run::run(cell, x.clone(), &packing, start, side == 1, kept);
                sides.push(outputs);
                states.push(last.map(|tensor| packing.unsort(tensor)));
            }
            x = if sides.len() == 1 { sides.remove(0) } else { Tensor::cat(sides, 2) };
        }
        RecurrentOutput { outputs: packing.unsort(x.swap_dims(0, 1)), states }
    }

    /// The states after one more step: for sequences of which an input depends on the output before
    /// it. `kept` is drawn once for all steps, by [`draw`](Self::draw); `None` drops no state.
    ///
    /// # Shapes
    /// - `x`: `[b, d_input]`
    ///
    /// # Panics
    /// If the shapes do not fit, or the layers have two directions.
    pub fn step(
        &self,
        x: Tensor<2>,
        states: Vec<State>,
        kept: Option<&RecurrentDropout>,
    ) -> Vec<State> {
        let [b, _] = x.dims();
        assert_shape!(x, [b, self.d_input()]);
        assert!(!self.is_bidirectional(), "what reads in both directions cannot go step by step");
        self.assert_states(&states, b);
        let mut input = x;
        let mut after = Vec::with_capacity(states.len());
        for (number, (layer, state)) in self.layers.iter().zip(states).enumerate() {
            if number > 0 {
                input = self.dropout.forward(input);
            }
            let kept = kept.and_then(|RecurrentDropout(kept)| kept[number].as_ref());
            let state = layer.forward.step(layer.forward.project(input), state, kept);
            input = state.hidden.clone();
            after.push(state);
        }
        after
    }

    /// States of zeros, as [`RecurrentOutput::states`].
    pub fn start(&self, rows: usize, device: &Device, dtype: FloatDType) -> Vec<State> {
        let cells = self.layers.iter().flat_map(Layer::cells);
        cells.map(|cell| cell.start(rows, device, dtype.into())).collect()
    }

    /// Draws which features of the states are dropped, of so many sequences; none outside of
    /// training.
    pub fn draw(&self, rows: usize, device: &Device, dtype: FloatDType) -> RecurrentDropout {
        let plain = device.clone().without_autodiff();
        let of = |cell: &Cell| {
            let mask = self.recurrent_dropout.draw(device)?;
            let factors = mask.tensor::<2>([rows, cell.d_hidden()], &plain).cast(dtype);
            Some(Tensor::from_inner(factors))
        };
        RecurrentDropout(self.layers.iter().flat_map(Layer::cells).map(of).collect())
    }

    /// Whether each layer has two directions.
    pub fn is_bidirectional(&self) -> bool {
        self.layers.iter().any(|layer| layer.reverse.is_some())
    }

    fn d_input(&self) -> usize {
        self.layers[0].forward.d_input()
    }

    #[track_caller]
    fn assert_states(&self, states: &[State], rows: usize) {
        let cells: Vec<&Cell> = self.layers.iter().flat_map(Layer::cells).collect();
        assert_eq!(
            states.len(),
            cells.len(),
            "{} states for {} layers and directions",
            states.len(),
            cells.len()
        );
        for (state, cell) in states.iter().zip(cells) {
            assert_eq!(state.hidden.dims(), [rows, cell.d_hidden()], "a state of another shape");
        }
    }
}
