//! An accumulator in burn's graph of gradients; forwards its operations do nothing.

use super::GradientAccumulator;
use crate::operation::{Inputs, Operation, Parents};
use crate::slices::{SliceBackend, contiguous, modified, slice};
use burn::backend::tensor::FloatTensor;

/// The tensor whose gradients are accumulated, for operations that know the accumulator.
#[derive(Clone, Debug)]
pub(super) struct Accumulated(pub(super) GradientAccumulator);

impl Operation<1, 0> for Accumulated {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, ()) {
        let ([x], _) = inputs.split();
        (x, ())
    }

    /// The gradient that is given is a token.
    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        []: [FloatTensor<B>; 0],
        _: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        if let Some(sum) = self.0.take::<B>() {
            parents.register(0, sum);
        }
    }
}

/// That tensor for an operation that does not know the accumulator.
#[derive(Clone, Debug)]
pub(super) struct OrdinaryReader(pub(super) GradientAccumulator);

impl Operation<1, 0> for OrdinaryReader {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, ()) {
        let ([x], _) = inputs.split();
        (x, ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        self.0.register(&mut parents, 0, |sum| match sum {
            None => gradient,
            Some(sum) => {
                let gradient = contiguous::<B, f32>(gradient);
                let gradient = slice::<B, f32>(&gradient);
                modified::<B, f32>(sum, |sum| {
                    sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
                })
            }
        });
    }
}
