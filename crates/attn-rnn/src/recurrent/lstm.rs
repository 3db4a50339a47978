//! Long short-term memory.

use super::{Projection, State, init};
use crate::config::LAYER_NORM_EPSILON;
use attn_kernels::activation::Activation;
use attn_kernels::norm::layer_norm;
use attn_kernels::recurrent::lstm_cell;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, Tensor};

/// Long short-term memory (Hochreiter & Schmidhuber 1997) with the forget gate of Gers et al. (2000),
/// as `torch.nn.LSTM`:
///
/// ```text
/// i, f, g, o = W x + U h + b
/// c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g)
/// h' = σ(o) ⊙ tanh(c')
/// ```
///
/// With layer norm, equations 20–22 of Ba, Kiros & Hinton (2016): `W x`, `U h` and the cell under its
/// last `tanh` are normalized. torch's two biases act as their sum, which is the one here; that of the
/// forget gate is 1 at first, so that an untrained cell keeps its memory (Jozefowicz et al. 2015).
#[derive(Module, Debug)]
pub struct LstmCell {
    /// `W` and `b`, of the gates `i f g o`.
    pub input: Projection,
    /// `U`
    pub recurrent: Projection,
    /// Of the cell, where layers are normalized.
    pub cell_norm: Option<CellNorm>,
}

/// Gain and bias of a normalized memory cell.
#[derive(Module, Debug)]
pub struct CellNorm {
    /// `[d_hidden]`, initially one.
    pub gamma: Param<Tensor<1>>,
    /// `[d_hidden]`, initially zero.
    pub beta: Param<Tensor<1>>,
}

const GATES: usize = 4;

impl LstmCell {
    pub(super) fn new([d_input, d_hidden]: [usize; 2], layer_norm: bool, device: &Device) -> Self {
        let weight = init::input_weight([d_input, d_hidden], GATES, device);
        let bias = init::bias(GATES * d_hidden, d_hidden..2 * d_hidden, device);
        Self {
            input: Projection::new(weight, Some(bias), layer_norm, device),
            recurrent: Projection::recurrent(d_hidden, GATES, false, layer_norm, device),
            cell_norm: layer_norm.then(|| CellNorm {
                gamma: Initializer::Ones.init([d_hidden], device),
                beta: Initializer::Zeros.init([d_hidden], device),
            }),
        }
    }

    /// The state after an input whose projection is `projected`. `hidden` is the
    /// hidden state before, behind recurrent dropout.
    pub(super) fn step(&self, projected: Tensor<2>, hidden: Tensor<2>, state: State) -> State {
        let cell = match state.cell {
            Some(cell) => cell,
            None => panic!("an LSTM's state has a cell"),
        };
        let recurrent = self.recurrent.forward(hidden); // [b, 4 · d]
        let (hidden, cell) = match &self.cell_norm {
            None => lstm_cell(projected, recurrent, cell),
            Some(norm) => norm.step(projected + recurrent, cell),
        };
        State { hidden, cell: Some(cell) }
    }
}

impl CellNorm {
    /// Hidden state and memory cell behind gates `[b, 4 · d]`, the cell normalized under its last `tanh`.
    fn step(&self, gates: Tensor<2>, cell: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let gates = gates.chunk(GATES, 1);
        let [input, forget, candidate, output] = [0, 1, 2, 3].map(|gate| gates[gate].clone());
        let cell = sigmoid(forget) * cell + sigmoid(input) * candidate.tanh();
        let shown = layer_norm(cell.clone(), self.gamma.val(), self.beta.val(), LAYER_NORM_EPSILON);
        (sigmoid(output) * shown.tanh(), cell)
    }
}

/// `σ(x)`
fn sigmoid(x: Tensor<2>) -> Tensor<2> {
    if x.dtype() == DType::F64 {
        // burn's own goes through f32 on some backends; `tanh` does not.
        return (x * 0.5).tanh() * 0.5 + 0.5;
    }
    Activation::Sigmoid.forward(x)
}
