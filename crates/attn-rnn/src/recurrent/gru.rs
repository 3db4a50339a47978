//! The gated recurrent unit.

use super::{Projection, State, init};
use attn_kernels::recurrent::gru_cell;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// The gated recurrent unit (Cho et al. 2014), as `torch.nn.GRU`, whose reset gate acts behind the
/// matrix:
///
/// ```text
/// r = σ(W_r x + U_r h + b_r)
/// z = σ(W_z x + U_z h + b_z)
/// n = tanh(W_n x + b_n + r ⊙ (U_n h + d_n))
/// h' = (1 - z) ⊙ n + z ⊙ h
/// ```
///
/// With layer norm, `W x` and `U h` are normalized (Ba, Kiros & Hinton 2016, supplement).
#[derive(Module, Debug)]
pub struct GruCell {
    /// `W` and `b`, of `r z n`.
    pub input: Projection,
    /// `U` and its own bias, of which `d` is the last third.
    pub recurrent: Projection,
}

const GATES: usize = 3;

impl GruCell {
    pub(super) fn new([d_input, d_hidden]: [usize; 2], layer_norm: bool, device: &Device) -> Self {
        let weight = init::input_weight([d_input, d_hidden], GATES, device);
        let bias = init::bias(GATES * d_hidden, 0..0, device);
        Self {
            input: Projection::new(weight, Some(bias), layer_norm, device),
            recurrent: Projection::recurrent(d_hidden, GATES, true, layer_norm, device),
        }
    }

    /// The state after an input whose projection is `projected`. `hidden` is the
    /// hidden state before, behind recurrent dropout.
    pub(super) fn step(&self, projected: Tensor<2>, hidden: Tensor<2>, state: State) -> State {
        let hidden = gru_cell(projected, self.recurrent.forward(hidden), state.hidden);
        State { hidden, cell: None }
    }
}
