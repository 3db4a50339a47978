//! Activations as operations of the processor backends.

use crate::cpu::activation::{backward, forward, gated_backward, gated_forward};
use crate::cpu::isa;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::parameters::Activation;
use crate::slices::{SliceBackend, contiguous, modified, modified_both, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn activation<const D: usize>(f: Activation, x: Tensor<D>) -> Tensor<D> {
    run(Plain(f), [x.into_dispatch()], None)
}

pub(super) fn gate<const D: usize>(f: Activation, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    run(Gate(f), [x, y].map(Tensor::into_dispatch), None)
}

/// `f(x)`
#[derive(Clone, Debug)]
struct Plain(Activation);

impl Operation<1, 1> for Plain {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, ()) {
        let ([x], _) = inputs.split();
        let x = contiguous::<B, f32>(x);
        let y = forward(isa(), self.0, slice::<B, f32>(&x));
        (tensor::<B, f32>(y, x.shape(), &x.device()), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        [x]: [FloatTensor<B>; 1],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        let x = contiguous::<B, f32>(x);
        let x = slice::<B, f32>(&x);
        let of_x = modified::<B, f32>(gradient, |gradient| backward(isa(), self.0, x, gradient));
        parents.register(0, of_x);
    }
}

/// `f(x) ⊗ y`
#[derive(Clone, Debug)]
struct Gate(Activation);

impl Operation<2, 2> for Gate {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 2],
    ) -> (FloatTensor<B>, ()) {
        let (inputs, _) = inputs.split();
        let [x, y] = inputs.map(contiguous::<B, f32>);
        let z = gated_forward(isa(), self.0, slice::<B, f32>(&x), slice::<B, f32>(&y));
        (tensor::<B, f32>(z, x.shape(), &x.device()), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        [x, y]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 2>,
    ) {
        let y = contiguous::<B, f32>(y);
        let y = slice::<B, f32>(&y);
        let (of_y, of_x) = modified_both::<B, f32>(gradient, x, |gradient, x| {
            gated_backward(isa(), self.0, y, x, gradient);
        });
        parents.register_all([of_x, of_y]);
    }
}
