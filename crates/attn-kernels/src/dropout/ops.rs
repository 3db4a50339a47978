//! Dropout as an operation of the processor backends.

use crate::cpu::dropout::DropoutRows;
use crate::cpu::isa;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::parameters::DropoutMask;
use crate::slices::{SliceBackend, contiguous, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn dropout<const D: usize>(
    mask: DropoutMask,
    x: Tensor<D>,
    residual: Option<Tensor<D>>,
) -> Tensor<D> {
    run(Dropout(mask), [x.into_dispatch()], residual.map(Tensor::into_dispatch))
}

/// The elements of `x` that are kept, scaled, plus a residual if there is one.
#[derive(Clone, Debug)]
struct Dropout(DropoutMask);

impl Operation<2, 0> for Dropout {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 2],
    ) -> (FloatTensor<B>, ()) {
        let ([x], residual) = inputs.split();
        (dropped::<B>(&self.0, x, residual), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 2>,
    ) {
        if parents.wants(0) {
            parents.register(0, dropped::<B>(&self.0, gradient.clone(), None));
        }
        parents.register(1, gradient);
    }
}

fn dropped<B: SliceBackend<f32>>(
    mask: &DropoutMask,
    x: FloatTensor<B>,
    residual: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let residual = residual.map(contiguous::<B, f32>);
    let plus = residual.as_ref().map(slice::<B, f32>);
    // Without dimensions, one row of one element.
    let width = x.shape().iter().last().copied().unwrap_or(1);
    let rows = DropoutRows { width, mask, plus };
    let mut x = contiguous::<B, f32>(x);
    if let Some(elements) = B::memory_mut(&mut x) {
        rows.in_place(isa(), elements);
        return x;
    }
    let dropped = rows.of(isa(), slice::<B, f32>(&x));
    tensor::<B, f32>(dropped, x.shape(), &x.device())
}
