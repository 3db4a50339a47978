//! Additive scores as an operation of the processor backends.

use crate::cpu::additive::{Pairs, backward, forward};
use crate::cpu::isa;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn scores(query: Tensor<4>, key: Tensor<4>, v: Tensor<1>) -> Tensor<4> {
    run(Scores, [query.into_dispatch(), key.into_dispatch(), v.into_dispatch()], None)
}

/// Of query, key and `v`: `[batch, heads, queries, keys]`.
#[derive(Clone, Debug)]
struct Scores;

impl Operation<3, 3> for Scores {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 3],
    ) -> (FloatTensor<B>, ()) {
        let (inputs, _) = inputs.split();
        let inputs = inputs.map(contiguous::<B, f32>);
        let scores = forward(isa(), pairs::<B>(&inputs));
        let [batch, heads, queries, _] = inputs[0].shape().dims();
        let keys = inputs[1].shape().dims::<4>()[2];
        (tensor::<B, f32>(scores, [batch, heads, queries, keys], &inputs[0].device()), ())
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
        let gradients = backward(isa(), pairs::<B>(&inputs), slice::<B, f32>(&gradient));
        for (slot, (of_input, input)) in gradients.into_iter().zip(&inputs).enumerate() {
            parents.register(slot, tensor::<B, f32>(of_input, input.shape(), &input.device()));
        }
    }
}

/// Of contiguous tensors.
fn pairs<B: SliceBackend<f32>>(inputs: &[FloatTensor<B>; 3]) -> Pairs<'_> {
    let [_, _, queries, d] = inputs[0].shape().dims();
    let keys = inputs[1].shape().dims::<4>()[2];
    let [query, key, v] = inputs.each_ref().map(slice::<B, f32>);
    Pairs { query, key, v, queries, keys, d }
}
