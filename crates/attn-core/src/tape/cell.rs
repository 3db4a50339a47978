//! The cell of the LSTMN.

use super::Tape;
use super::written::Written;
use crate::logistic::sigmoid;
use crate::mechanism::MechanismError;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`TapeCell`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapeCellConfig {
    /// Width of a step of the input.
    pub d_input: usize,
    /// Width of a state.
    pub d_hidden: usize,
    /// Width of the layer in which a step meets the tape; where none is given, that of a state.
    #[serde(default)]
    pub d_attention: Option<usize>,
}

impl TapeCellConfig {
    /// A cell whose attention is as wide as its state.
    pub fn new(d_input: usize, d_hidden: usize) -> Self {
        Self { d_input, d_hidden, d_attention: None }
    }

    /// Another width of the attention.
    pub fn with_d_attention(self, d_attention: usize) -> Self {
        Self { d_attention: Some(d_attention), ..self }
    }

    /// # Errors
    /// If a width is zero, or the matrices are more than memory could hold.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_input, d_hidden, d_attention } = *self;
        let d_attention = d_attention.unwrap_or(d_hidden);
        let widths = [("d_input", d_input), ("d_hidden", d_hidden), ("d_attention", d_attention)];
        MechanismError::check_sizes("tape cell", &widths)?;
        let sizes = [d_input.max(d_hidden), d_hidden.max(d_attention), 4];
        MechanismError::check_product("tape cell", "d_input, d_hidden and d_attention", &sizes)
    }

    /// The cell, with random weights; the forget gate's bias is 1 (Gers et al. 2000, Jozefowicz et
    /// al. 2015), the other gates' 0.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> TapeCell {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { d_input, d_hidden, d_attention } = *self;
        let d_attention = d_attention.unwrap_or(d_hidden);
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        let rest = |gates| Tensor::<1>::zeros([gates * d_hidden], device);
        let bias = Tensor::cat(vec![rest(1), Tensor::ones([d_hidden], device), rest(2)], 0);
        let mut gates_input = linear(d_input, 4 * d_hidden);
        gates_input.bias = Some(Param::from_tensor(bias));
        TapeCell {
            attend_hidden: linear(d_hidden, d_attention),
            attend_input: linear(d_input, d_attention),
            attend_summary: linear(d_hidden, d_attention),
            energy: linear(d_attention, 1),
            gates_input,
            gates_summary: linear(d_hidden, 4 * d_hidden),
        }
    }
}

/// What a cell made of a sequence, and where it looked.
#[derive(Clone, Debug)]
pub struct TapeRead {
    /// `[batch, steps, d_hidden]`; 0 behind the end of a sequence.
    pub hidden: Tensor<3>,
    /// `s`, `[batch, steps, all steps of the tape]`: each row sums to 1, or to 0 where the tape was
    /// empty or the sequence has ended.
    pub weights: Tensor<3>,
}

/// The cell of the LSTMN, Cheng et al. (2016), section 3.2: an LSTM whose last state is replaced by
/// an average of all states so far, weighted by attention.
///
/// ```text
/// a_i = v · tanh(W_h h_i + W_x x_t + W_h̃ h̃_{t−1})            for each i < t
/// s   = softmax(a)
/// h̃_t, c̃_t = Σ_i s_i h_i, Σ_i s_i c_i
/// i, f, o, ĉ = σ, σ, σ, tanh of W [h̃_t; x_t] + b
/// c_t = f ∘ c̃_t + i ∘ ĉ
/// h_t = o ∘ tanh(c_t)
/// ```
///
/// The first step sees an empty tape: h̃ and c̃ are 0. What depends only on the input is computed for
/// all steps at once, and `W_h h_i` once. Time and memory are steps² · width, and one step after
/// another: what an LSTM does in steps · width.
#[derive(Module, Debug)]
pub struct TapeCell {
    /// `W_h`, without bias.
    pub attend_hidden: Linear,
    /// `W_x`, without bias.
    pub attend_input: Linear,
    /// `W_h̃`, without bias.
    pub attend_summary: Linear,
    /// `v`, without bias.
    pub energy: Linear,
    /// The half of `W` for `x_t`, and `b`; gates in the order `i`, `f`, `o`, `ĉ`.
    pub gates_input: Linear,
    /// The half of `W` for `h̃_t`, without bias.
    pub gates_summary: Linear,
}

impl TapeCell {
    /// The next step, which is written on the tape.
    ///
    /// # Shapes
    /// - `input`: `[batch, d_input]`
    /// - result: `h_t`, `[batch, d_hidden]`; 0 for a sequence that has ended
    ///
    /// # Panics
    /// If the input is not `d_input` wide, or the tape of another batch or width.
    pub fn step(&self, input: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        self.forward(input.unsqueeze_dim(1), tape).squeeze_dim(1)
    }

    /// The next steps, which are written on the tape. To read a sequence whole, in parts or step by
    /// step is the same.
    ///
    /// # Shapes
    /// - `input`: `[batch, steps, d_input]`, of at least one step
    /// - result: `[batch, steps, d_hidden]`; 0 behind the end of a sequence
    ///
    /// # Panics
    /// As [`step`](Self::step), or if there is no step.
    pub fn forward(&self, input: Tensor<3>, tape: &mut Tape) -> Tensor<3> {
        self.read(input, tape).0
    }

    /// [`forward`](Self::forward), and the weights.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights(&self, input: Tensor<3>, tape: &mut Tape) -> TapeRead {
        let (hidden, weights) = self.read(input, tape);
        let [batch, _, _] = hidden.dims();
        let rows = weights.into_iter().map(|row| {
            let seen = row.as_ref().map_or(0, |row| row.dims()[1]);
            let rest = [batch, tape.steps - seen];
            let rest = Tensor::zeros(rest, (&hidden.device(), hidden.dtype()));
            let row = match row {
                None => rest,
                Some(row) => Tensor::cat(vec![row, rest], 1),
            };
            row.unsqueeze_dim(1) // [batch, 1, steps of the tape]
        });
        TapeRead { weights: Tensor::cat(rows.collect(), 1), hidden }
    }

    /// Hidden states, and for each step its weights, `[batch, steps before]`, if there are such.
    fn read(&self, input: Tensor<3>, tape: &mut Tape) -> (Tensor<3>, Vec<Option<Tensor<2>>>) {
        self.assert_fits(&input, tape);
        let [_, steps, _] = input.dims();
        let ended = tape.ended(steps, &input.device());
        let input = match &ended {
            None => input,
            // Not even NaN of the padding reaches the weights' gradients.
            Some(ended) => {
                let cells = ended.clone().unsqueeze_dim::<3>(2).expand(input.dims());
                input.mask_fill(cells, 0.0)
            }
        };
        let attend = self.attend_input.forward(input.clone()); // [batch, steps, d_attention]
        let gates = self.gates_input.forward(input); // [batch, steps, 4 · d_hidden]
        let of_step = |of: &Tensor<3>, t| of.clone().slice_dim(1, t..t + 1).squeeze_dim::<2>(1);
        let (hidden, weights): (Vec<_>, Vec<_>) = (0..steps)
            .map(|t| {
                let ended = ended.clone().map(|ended| ended.slice_dim(1, t..t + 1));
                self.advance(of_step(&attend, t), of_step(&gates, t), ended, tape)
            })
            .unzip();
        (Tensor::stack(hidden, 1), weights)
    }

    /// One step: `attend` is `W_x x_t`, `[batch, d_attention]`; `gates` are those of `x_t`, `[batch,
    /// 4 · d_hidden]`; `ended` are the sequences that are over, `[batch, 1]`.
    fn advance(
        &self,
        attend: Tensor<2>,
        gates: Tensor<2>,
        ended: Option<Tensor<2, Bool>>,
        tape: &mut Tape,
    ) -> (Tensor<2>, Option<Tensor<2>>) {
        let [batch, wide] = gates.dims();
        let d_hidden = wide / 4;
        let nothing = || Tensor::zeros([batch, d_hidden], (&gates.device(), gates.dtype()));
        let unless_ended = |tensor: Tensor<2>| match &ended {
            None => tensor,
            Some(ended) => tensor.clone().mask_fill(ended.clone().expand(tensor.dims()), 0.0),
        };
        let (summary, memory, weights) = match &tape.written {
            None => (nothing(), nothing(), None),
            Some(written) => {
                let weights = unless_ended(self.weigh(attend, written));
                let row = weights.clone().unsqueeze_dim::<3>(1); // [batch, 1, steps]
                let average = |tape: &Tensor<3>| row.clone().matmul(tape.clone()).squeeze_dim(1);
                (average(&written.hidden), average(&written.memory), Some(weights))
            }
        };
        let gates = gates + self.gates_summary.forward(summary.clone());
        let gate = |n: usize| gates.clone().slice_dim(1, n * d_hidden..(n + 1) * d_hidden);
        let memory = sigmoid(gate(1)) * memory + sigmoid(gate(0)) * gate(3).tanh();
        let hidden = unless_ended(sigmoid(gate(2)) * memory.clone().tanh());
        let projected = self.attend_hidden.forward(hidden.clone());
        tape.write(hidden.clone(), unless_ended(memory), projected, summary);
        (hidden, weights)
    }

    /// The weights of the tape, `[batch, steps]`. A sequence that has not ended has written at every
    /// step so far, and so none of it is hidden.
    fn weigh(&self, attend: Tensor<2>, written: &Written) -> Tensor<2> {
        let step = attend + self.attend_summary.forward(written.summary.clone());
        let hidden = (written.projected.clone() + step.unsqueeze_dim(1)).tanh();
        softmax(self.energy.forward(hidden).squeeze_dim(2), 1)
    }

    #[track_caller]
    fn assert_fits(&self, input: &Tensor<3>, tape: &Tape) {
        let [batch, steps, found] = input.dims();
        let [d_input, _] = self.gates_input.weight.dims();
        let [d_hidden, _] = self.gates_summary.weight.dims();
        assert_eq!(
            found,
            d_input,
            "tape cell: input {:?} has width {found}, expected {d_input}",
            input.dims()
        );
        assert!(steps > 0, "tape cell: input {:?} has no step", input.dims());
        if let Some(lengths) = &tape.lengths {
            assert_eq!(
                lengths.len(),
                batch,
                "tape cell: a tape of {} lengths for input {:?}",
                lengths.len(),
                input.dims()
            );
        }
        if let Some(written) = &tape.written {
            let found = written.hidden.dims();
            assert_eq!(
                found,
                [batch, tape.steps, d_hidden],
                "tape cell: a tape of {found:?} for input {:?} and states of width {d_hidden}",
                input.dims()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(device: &Device) -> TapeCell {
        TapeCellConfig::new(3, 4).init(device)
    }

    #[test]
    #[should_panic(expected = "tape cell: d_hidden must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        TapeCellConfig::new(3, 0).with_d_attention(5).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "tape cell: d_attention must be at least 1, got 0")]
    fn attention_of_no_width_is_refused() {
        TapeCellConfig::new(3, 4).with_d_attention(0).init(&Device::flex());
    }

    #[test]
    fn it_starts_by_remembering() {
        let bias = cell(&Device::flex()).gates_input.bias.unwrap().val();
        let expected = [[0.0_f32; 4], [1.0; 4], [0.0; 4], [0.0; 4]].concat();
        assert_eq!(bias.try_into_vec_as::<f32>().unwrap(), expected);
    }

    #[test]
    #[should_panic(expected = "tape cell: input [2, 5, 4] has width 4, expected 3")]
    fn inputs_have_the_configured_width() {
        let device = Device::flex();
        cell(&device).forward(Tensor::ones([2, 5, 4], &device), &mut Tape::start());
    }

    #[test]
    #[should_panic(expected = "tape cell: input [2, 0, 3] has no step")]
    fn there_is_a_step() {
        let device = Device::flex();
        cell(&device).forward(Tensor::ones([2, 0, 3], &device), &mut Tape::start());
    }

    #[test]
    #[should_panic(expected = "tape cell: a tape of 3 lengths for input [2, 5, 3]")]
    fn every_sequence_has_its_length() {
        let device = Device::flex();
        cell(&device).forward(Tensor::ones([2, 5, 3], &device), &mut Tape::padded([1, 2, 3]));
    }

    #[test]
    #[should_panic(
        expected = "tape cell: a tape of [2, 5, 4] for input [1, 1, 3] and states of width 4"
    )]
    fn a_tape_is_of_one_batch() {
        let device = Device::flex();
        let (cell, mut tape) = (cell(&device), Tape::start());
        cell.forward(Tensor::ones([2, 5, 3], &device), &mut tape);
        cell.step(Tensor::ones([1, 3], &device), &mut tape);
    }

    #[test]
    fn a_file_needs_only_input_and_state() {
        let config: TapeCellConfig =
            serde_json::from_str(r#"{ "d_input": 3, "d_hidden": 4 }"#).unwrap();
        assert_eq!(config, TapeCellConfig::new(3, 4));
    }
}
