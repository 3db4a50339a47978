//! Rotation as an operation of the processor backends.

use crate::cpu::isa;
use crate::cpu::rotary::{Angles, Direction, rotate as rotate_rows};
use crate::operation::{Inputs, Operation, Parents, run};
use crate::parameters::Pairing;
use crate::slices::{SliceBackend, contiguous, output_tensor, slice, view, with_contiguous_rows};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>, pairing: Pairing) -> Tensor<4> {
    run(Rotate(pairing), [x, cos, sin].map(Tensor::into_dispatch), None)
}

/// `x` rotated by angles, whose cosines and sines are constants.
#[derive(Clone, Debug)]
struct Rotate(Pairing);

impl Operation<1, 0> for Rotate {
    /// Cosines and sines.
    type Saved<B: SliceBackend<f32>> = [FloatTensor<B>; 2];

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
        let ([x, cos, sin], _) = inputs.split();
        let angles = [cos, sin].map(contiguous::<B, f32>);
        (self.rotated::<B>(x, &angles, Direction::Forwards), angles)
    }

    /// The transpose of a rotation rotates back.
    fn backward<B: SliceBackend<f32>>(
        self,
        angles: [FloatTensor<B>; 2],
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        parents.register(0, self.rotated::<B>(gradient, &angles, Direction::Backwards));
    }
}

impl Rotate {
    fn rotated<B: SliceBackend<f32>>(
        &self,
        x: FloatTensor<B>,
        angles: &[FloatTensor<B>; 2],
        direction: Direction,
    ) -> FloatTensor<B> {
        let x = with_contiguous_rows::<B, f32>(x);
        let [cos, sin] = angles.each_ref().map(slice::<B, f32>);
        let angles = Angles { cos, sin };
        let rotated = rotate_rows(isa(), &view::<B, f32>(&x), angles, self.0, direction);
        output_tensor::<B, f32>(rotated, &x.device())
    }
}
