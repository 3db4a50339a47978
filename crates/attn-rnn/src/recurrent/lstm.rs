//! Long short-term memory.

use super::gates::{gates, sigmoid};
use super::{Projection, State, init};
use crate::config::LAYER_NORM_EPSILON;
use attn_kernels::norm::layer_norm;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

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
/// last `tanh` are normalised. torch's two biases act as their sum, which is the one here; that of the
/// forget gate is 1 at first, so that a cell starts by remembering (Jozefowicz et al. 2015).
#[derive(Module, Debug)]
pub struct LstmCell {
    /// `W` and `b`, of the gates `i f g o`.
    pub input: Projection,
    /// `U`
    pub recurrent: Projection,
    /// Of the cell, where layers are normalised.
    pub cell_norm: Option<CellNorm>,
}

/// Gain and bias of a normalised memory cell.
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

    /// The state after an input whose projection is `projected`. `hidden` is what the gates see of
    /// the state before: its `hidden`, or what dropout leaves of it.
    pub(super) fn step(&self, projected: Tensor<2>, hidden: Tensor<2>, state: State) -> State {
        let [_, d] = hidden.dims();
        let all = projected + self.recurrent.forward(hidden); // [b, 4 · d]
        let input_forget = sigmoid(gates(&all, d, 0, 2)); // [b, 2 · d]
        let candidate = gates(&all, d, 2, 1).tanh();
        let output = sigmoid(gates(&all, d, 3, 1));
        let written = gates(&input_forget, d, 0, 1) * candidate;
        let kept = match state.cell {
            Some(cell) => gates(&input_forget, d, 1, 1) * cell,
            None => panic!("an LSTM's state has a cell"),
        };
        let cell = kept + written;
        let shown = match &self.cell_norm {
            None => cell.clone(),
            Some(CellNorm { gamma, beta }) => {
                layer_norm(cell.clone(), gamma.val(), beta.val(), LAYER_NORM_EPSILON)
            }
        };
        State { hidden: output * shown.tanh(), cell: Some(cell) }
    }
}
