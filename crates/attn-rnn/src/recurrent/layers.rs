//! Layers of cells along their sequences.

use super::packing::{Packing, assert_lengths};
use super::{Cell, RecurrentDropout, State, run};
use attn_core::Dropout;
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, assert_shape};

/// Stacked recurrent layers, in one direction or both.
///
/// Guarantees:
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
/// let layers = RecurrentConfig::gru(3, 8).with_bidirectional(true).init(&device);
/// // Two sequences, of five steps and of two.
/// let output = layers.forward(Tensor::ones([2, 5, 3], &device), &[5, 2], None);
/// assert_eq!(output.outputs.dims(), [2, 5, 16]);
/// ```
#[derive(Module, Debug)]
pub struct Recurrent {
    /// The input of the first is that of the layers, of each further one the outputs of the one below.
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
    /// If the shapes do not fit, the layers have two directions, or they are of LSTMN cells, which go on
    /// from all states so far: see [`LstmnCell::step`](super::LstmnCell::step).
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
