//! Steps of recurrent cells as operations of the processor backends.

use crate::cpu::isa;
use crate::cpu::recurrent::{Step, gru_backward, gru_forward, lstm_backward, lstm_forward};
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn lstm(projected: Tensor<2>, recurrent: Tensor<2>, cell: Tensor<2>) -> Tensor<2> {
    run(LstmCell, [projected, recurrent, cell].map(Tensor::into_dispatch), None)
}

pub(super) fn gru(projected: Tensor<2>, recurrent: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
    run(GruCell, [projected, recurrent, hidden].map(Tensor::into_dispatch), None)
}

/// Of contiguous tensors.
fn step<B: SliceBackend<f32>>(inputs: &[FloatTensor<B>; 3]) -> Step<'_> {
    let [_, d] = inputs[2].shape().dims();
    let [projected, recurrent, carried] = inputs.each_ref().map(slice::<B, f32>);
    Step { projected, recurrent, carried, d }
}

/// Hidden state and memory cell side by side.
#[derive(Clone, Debug)]
struct LstmCell;

impl Operation<3, 3> for LstmCell {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 3],
    ) -> (FloatTensor<B>, ()) {
        let (inputs, _) = inputs.split();
        let inputs = inputs.map(contiguous::<B, f32>);
        let output = lstm_forward(isa(), step::<B>(&inputs));
        let [rows, d] = inputs[2].shape().dims();
        (tensor::<B, f32>(output, [rows, 2 * d], &inputs[2].device()), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        inputs: [FloatTensor<B>; 3],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 3>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let inputs = inputs.map(contiguous::<B, f32>);
        let [of_gates, of_cell] =
            lstm_backward(isa(), step::<B>(&inputs), slice::<B, f32>(&gradient));
        let device = gradient.device();
        let of_gates = tensor::<B, f32>(of_gates, inputs[0].shape(), &device);
        let of_cell = tensor::<B, f32>(of_cell, inputs[2].shape(), &device);
        parents.register_all([of_gates.clone(), of_gates, of_cell]);
    }
}

/// The hidden state.
#[derive(Clone, Debug)]
struct GruCell;

impl Operation<3, 3> for GruCell {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 3],
    ) -> (FloatTensor<B>, ()) {
        let (inputs, _) = inputs.split();
        let inputs = inputs.map(contiguous::<B, f32>);
        let output = gru_forward(isa(), step::<B>(&inputs));
        (tensor::<B, f32>(output, inputs[2].shape(), &inputs[2].device()), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        inputs: [FloatTensor<B>; 3],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 3>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let inputs = inputs.map(contiguous::<B, f32>);
        let gradients = gru_backward(isa(), step::<B>(&inputs), slice::<B, f32>(&gradient));
        for (slot, (of_input, input)) in gradients.into_iter().zip(&inputs).enumerate() {
            parents.register(slot, tensor::<B, f32>(of_input, input.shape(), &gradient.device()));
        }
    }
}
