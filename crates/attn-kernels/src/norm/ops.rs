//! Norms as an operation of the processor backends.

use crate::cpu::isa;
use crate::cpu::norm::{Rows, backward, forward};
use crate::gradient_accumulator::GradientAccumulator;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, modified, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
    accumulator: GradientAccumulator,
) -> Tensor<D> {
    let required = [x.into_dispatch(), gamma.into_dispatch()];
    run(Norm { epsilon, accumulator }, required, beta.map(Tensor::into_dispatch))
}

/// Of `x`, gain and shift: layer normalization, if there is a shift; else root-mean-square normalization.
#[derive(Clone, Debug)]
struct Norm {
    epsilon: f64,
    /// Of the gradients of `x`.
    accumulator: GradientAccumulator,
}

impl Operation<3, 2> for Norm {
    /// The shift.
    type Saved<B: SliceBackend<f32>> = Option<FloatTensor<B>>;

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 3],
    ) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
        let (inputs, beta) = inputs.split();
        let [x, gamma] = inputs.map(contiguous::<B, f32>);
        let beta = beta.map(contiguous::<B, f32>);
        let y = forward(isa(), self.rows::<B>(&x, &gamma, beta.as_ref()));
        (tensor::<B, f32>(y, x.shape(), &x.device()), beta)
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        beta: Option<FloatTensor<B>>,
        inputs: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 3>,
    ) {
        let [x, gamma] = inputs.map(contiguous::<B, f32>);
        let rows = self.rows::<B>(&x, &gamma, beta.as_ref());
        let mut of_row = None;
        let of_x = |sum: Option<FloatTensor<B>>| {
            let sum = sum.map(contiguous::<B, f32>);
            let plus = sum.as_ref().map(slice::<B, f32>);
            modified::<B, f32>(gradient, |gradient| {
                of_row = Some(backward(isa(), rows, gradient, plus));
            })
        };
        if parents.wants(0) {
            self.accumulator.register(&mut parents, 0, of_x);
        } else {
            // For the gradients of gain and shift.
            of_x(None);
        }
        let of_row = of_row.expect("`modified` calls its function");
        for (slot, of) in (1..).zip(of_row) {
            parents.register(slot, tensor::<B, f32>(of, gamma.shape(), &x.device()));
        }
    }
}

impl Norm {
    /// Of contiguous tensors.
    fn rows<'a, B: SliceBackend<f32>>(
        &self,
        x: &'a FloatTensor<B>,
        gamma: &'a FloatTensor<B>,
        beta: Option<&'a FloatTensor<B>>,
    ) -> Rows<'a> {
        Rows {
            x: slice::<B, f32>(x),
            gain: slice::<B, f32>(gamma),
            shift: beta.map(slice::<B, f32>),
            centered: beta.is_some(),
            epsilon: self.epsilon as f32,
        }
    }
}
