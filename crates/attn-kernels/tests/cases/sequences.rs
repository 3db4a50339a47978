//! Recurrent layers along their sequences.

use super::{noise, numbers};
use attn_kernels::recurrent::{gru_cell, gru_sequence, lstm_cell, lstm_sequence, scan, twin};
use burn::tensor::{DType, Device, Tensor, TensorData};

const EPSILON: f64 = f32::EPSILON as f64;

/// How many gates, lengths, steps, units, direction, whether there is dropout.
#[derive(Clone, Debug)]
pub struct Case {
    pub gates: usize,
    pub lengths: Vec<usize>,
    pub steps: usize,
    pub d: usize,
    pub reverse: bool,
    pub dropout: bool,
}

/// How sequences are computed.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    Kernel,
    Twin,
    Steps,
}

/// Inputs: projected, weight, first state, and memory cell or bias, and factors.
pub type Inputs = (Tensor<3>, [Tensor<2>; 4]);

impl Case {
    fn shapes(&self) -> [[usize; 2]; 4] {
        let (rows, d) = (self.lengths.len(), self.d);
        let beside = if self.gates == 4 { [rows, d] } else { [1, 3 * d] };
        [[d, self.gates * d], [rows, d], beside, [rows, d]]
    }

    /// Drawn in f32, so that all precisions have the same numbers; the weight such that a state is
    /// of order one.
    pub fn inputs(&self, device: &Device, dtype: DType) -> Inputs {
        let of = |data: TensorData| Tensor::<2>::from_data(data, (device, dtype));
        let tracked = |x: Tensor<2>| x.autodiff().require_grad();
        let rest = self.shapes();
        let scale = [1.0 / (self.d as f64).sqrt(), 1.0, 1.0, 1.0];
        let rest = std::array::from_fn(|n| {
            let drawn = noise::<2>(rest[n], 2 + n as u64, device, DType::F32).mul_scalar(scale[n]);
            tracked(of(drawn.into_data()))
        });
        let dims = [self.steps, self.lengths.len(), self.gates * self.d];
        let drawn = noise::<3>(dims, 1, device, DType::F32).into_data();
        let projected = Tensor::<3>::from_data(drawn, (device, dtype));
        (projected.autodiff().require_grad(), rest)
    }

    /// Outputs and last states, one behind the other.
    pub fn run(&self, way: Way, (projected, [weight, hidden, beside, kept]): Inputs) -> Tensor<2> {
        let Self { lengths, reverse, .. } = self;
        let kept = self.dropout.then_some(kept);
        let bias = || beside.clone().flatten::<1>(0, 1);
        let see = |hidden: Tensor<2>| match &kept {
            None => hidden,
            Some(kept) => {
                let [rows, _] = hidden.dims();
                hidden * kept.clone().slice_dim(0, 0..rows)
            }
        };
        let (outputs, states) = match (way, self.gates) {
            (Way::Steps, 4) => {
                let start = [hidden, beside];
                let (outputs, states) = scan(projected, lengths, *reverse, start, |x, [h, c]| {
                    let (hidden, cell) = lstm_cell(x, see(h).matmul(weight.clone()), c);
                    [hidden, cell]
                });
                (outputs, states.to_vec())
            }
            (Way::Steps, _) => {
                let (outputs, states) = scan(projected, lengths, *reverse, [hidden], |x, [h]| {
                    let recurrent = see(h.clone()).matmul(weight.clone()) + beside.clone();
                    [gru_cell(x, recurrent, h)]
                });
                (outputs, states.to_vec())
            }
            (_, 4) => {
                let run = if way == Way::Kernel { lstm_sequence } else { twin::lstm_sequence };
                let (outputs, states) =
                    run(projected, weight, [hidden, beside], kept, lengths, *reverse);
                (outputs, states.to_vec())
            }
            _ => {
                let run = if way == Way::Kernel { gru_sequence } else { twin::gru_sequence };
                let (outputs, state) =
                    run(projected, weight, bias(), hidden, kept, lengths, *reverse);
                (outputs, vec![state])
            }
        };
        let mut all = vec![outputs.flatten::<2>(0, 1)];
        all.extend(states);
        Tensor::cat(all, 0)
    }

    /// The result, and the gradients of the inputs.
    pub fn answer(&self, way: Way, device: &Device, dtype: DType) -> Vec<Vec<f64>> {
        let inputs = self.inputs(device, dtype);
        let result = self.run(way, inputs.clone());
        let weights = noise::<2>(result.dims(), 99, device, DType::F32).into_data();
        let weights = Tensor::<2>::from_data(weights, (device, dtype)).autodiff();
        let gradients = (result.clone() * weights).sum().backward();
        // Only where there is no step does the twin know of no path to some inputs.
        let steps = self.lengths.iter().any(|&length| length > 0);
        let of = |gradient: Option<Vec<f64>>, size: usize| {
            assert!(gradient.is_some() || !steps, "{self:?}: an input without gradient");
            gradient.unwrap_or(vec![0.0; size])
        };
        let (projected, rest) = inputs;
        let mut answer = vec![numbers(result.inner())];
        answer.push(of(projected.grad(&gradients).map(numbers), projected.shape().num_elements()));
        let tracked = if self.dropout { 4 } else { 3 };
        answer.extend(
            rest[..tracked]
                .iter()
                .map(|x| of(x.grad(&gradients).map(numbers), x.shape().num_elements())),
        );
        answer
    }

    /// Relative to numbers of order one, and to sums over steps and rows in the gradient of the
    /// weight: each state is of `d` products and a handful of operations, and errors go on from
    /// step to step without growing, because the matrix keeps lengths and the slopes are below one.
    pub fn tolerance(&self) -> f64 {
        let terms = (self.d + 20) * self.steps.max(1);
        4.0 * terms as f64 * EPSILON * (self.lengths.len() as f64).sqrt()
    }
}
