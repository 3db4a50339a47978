//! Long short-term memory network: an LSTM that attends to all of its previous states.

use super::packing::index;
use super::{LstmCell, State, Tape};
use crate::linear;
use attn_kernels::additive::scores;
use attn_kernels::recurrent::scan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, assert_shape};

/// The cell of the LSTMN, Cheng et al. (2016), section 3.2: an LSTM whose previous state is replaced by
/// an average of all states so far, weighted by attention.
///
/// ```text
/// a_i = v · tanh(W_h h_i + W_x x_t + W_h̃ h̃_{t−1})            for each i < t
/// s   = softmax(a)
/// h̃_t, c̃_t = Σ_i s_i h_i, Σ_i s_i c_i
/// h_t, c_t = LSTM(x_t, (h̃_t, c̃_t))
/// ```
///
/// The first step, which has nothing to attend to, starts from the state that it is given, zeros unless
/// said otherwise. What depends only on the input is computed for all steps at once, and `W_h h_i` once.
/// Time and memory are steps² · width, one step after another, where an LSTM needs steps · width.
#[derive(Module, Debug)]
pub struct LstmnCell {
    /// `W_h`, without bias.
    pub attend_hidden: Linear,
    /// `W_x`, without bias.
    pub attend_input: Linear,
    /// `W_h̃`, without bias.
    pub attend_summary: Linear,
    /// `v`, without bias.
    pub energy: Linear,
    /// Reads the average of the tape in place of its previous state.
    pub lstm: LstmCell,
}

/// What [`LstmnCell::step`] returns.
#[derive(Clone, Debug)]
pub struct LstmnStep {
    /// `h_t` and `c_t`, each `[b, d_hidden]`.
    pub state: State,
    /// `s`, `[b, steps before]`, rows that sum to 1; `None` at the first step.
    pub weights: Option<Tensor<2>>,
}

impl LstmnCell {
    pub(super) fn new(dims @ [d_input, d_hidden]: [usize; 2], norm: bool, device: &Device) -> Self {
        let linear = |from, to| linear::new([from, to], false, device);
        Self {
            attend_hidden: linear(d_hidden, d_hidden),
            attend_input: linear(d_input, d_hidden),
            attend_summary: linear(d_hidden, d_hidden),
            energy: linear(d_hidden, 1),
            lstm: LstmCell::new(dims, norm, device),
        }
    }

    /// The next step, which is added to the tape.
    ///
    /// # Shapes
    /// - `input`: `[b, d_input]`
    ///
    /// # Panics
    /// If the input is not `d_input` wide, or the tape is of another batch.
    pub fn step(&self, input: Tensor<2>, tape: &mut Tape) -> LstmnStep {
        let rows = tape.rows();
        assert_shape!(input, [rows, self.lstm.input.weight.dims()[0]]);
        self.step_projected(self.project(input), tape, None)
    }

    /// Gates and attention of inputs, side by side, for all steps at once:
    /// `[.., d_input]` → `[.., 5 · d_hidden]`.
    pub(super) fn project<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let gates = self.lstm.input.forward(x.clone());
        Tensor::cat(vec![gates, linear::apply(&self.attend_input, x)], D - 1)
    }

    /// [`step`](Self::step) of a projected input; `kept` are the factors of recurrent dropout, which
    /// act on `h̃`.
    fn step_projected(
        &self,
        projected: Tensor<2>,
        tape: &mut Tape,
        kept: Option<Tensor<2>>,
    ) -> LstmnStep {
        let [_, width] = projected.dims();
        let gates = projected.clone().slice_dim(1, 0..width / 5 * 4);
        let attend = projected.slice_dim(1, width / 5 * 4..width);
        let weights = self.weights(attend, tape);
        let summary = match (&weights, &tape.entries) {
            (Some(weights), Some(entries)) => {
                let weights = weights.clone().unsqueeze_dim::<3>(1); // [b, 1, steps]
                let average = |of: &Tensor<3>| weights.clone().matmul(of.clone()).squeeze_dim(1);
                State { hidden: average(&entries.hidden), cell: Some(average(&entries.memory)) }
            }
            _ => tape.summary.clone(),
        };
        let hidden = match kept {
            None => summary.hidden.clone(),
            Some(kept) => summary.hidden.clone() * kept,
        };
        let state = self.lstm.step(gates, hidden, summary.clone());
        let memory = state.cell.clone().expect("an LSTM's state has a cell");
        let projected = linear::apply(&self.attend_hidden, state.hidden.clone());
        tape.push(summary, [state.hidden.clone(), memory], projected);
        LstmnStep { state, weights }
    }

    /// `s`, `[b, steps]`; `attend` is `W_x x_t`.
    fn weights(&self, attend: Tensor<2>, tape: &Tape) -> Option<Tensor<2>> {
        let keys = tape.entries.as_ref()?.projected.clone().unsqueeze_dim::<4>(1); // [b, 1, steps, d]
        let query = attend + linear::apply(&self.attend_summary, tape.summary.hidden.clone());
        let query = query.unsqueeze_dims::<4>(&[1, 2]); // [b, 1, 1, d]
        let scores = scores(query, keys, self.energy.weight.val().squeeze_dim(1)); // [b, 1, 1, steps]
        Some(softmax(scores.squeeze_dims::<2>(&[1, 2]), 1))
    }

    /// Outputs and last states of projected sequences `[s, b, 5 · d_hidden]` in the order of their
    /// lengths. The reverse direction reads each sequence from its own end.
    pub(super) fn run(
        &self,
        projected: Tensor<3>,
        lengths: &[usize],
        start: State,
        reverse: bool,
        kept: Option<Tensor<2>>,
    ) -> (Tensor<3>, State) {
        let turned = |x: Tensor<3>| if reverse { reverse_each(x, lengths) } else { x };
        let mut tape = Tape::start(start.clone());
        let memory = start.cell.expect("an LSTMN's state has a cell");
        let (outputs, [hidden, memory]) =
            scan(turned(projected), lengths, false, [start.hidden, memory], |input, _| {
                let [rows, _] = input.dims();
                tape.keep_rows(rows);
                let kept = kept.clone().map(|kept| kept.slice_dim(0, 0..rows));
                let State { hidden, cell } = self.step_projected(input, &mut tape, kept).state;
                [hidden, cell.expect("an LSTM's state has a cell")]
            });
        (turned(outputs), State { hidden, cell: Some(memory) })
    }
}

/// Each sequence of `[s, b, d]` from its end to its start; what is behind its end stays.
fn reverse_each(x: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
    let dims @ [steps, rows, _] = x.dims();
    let from = |step: usize, &length: &usize| if step < length { length - 1 - step } else { step };
    let order: Vec<usize> =
        (0..steps).flat_map(|step| lengths.iter().map(move |length| from(step, length))).collect();
    let order = index(&order, &x.device()).reshape([steps, rows, 1]).expand(dims);
    x.gather(0, order)
}
