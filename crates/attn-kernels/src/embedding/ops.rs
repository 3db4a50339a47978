//! Embedding as an operation of the processor backends.

use crate::cpu::embedding::{backward, forward};
use crate::cpu::isa;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Int, Tensor};
use std::sync::Arc;

pub(super) fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let ([v, m], [b, s]) = (table.dims(), ids.dims());
    let row = |id: i64| match usize::try_from(id) {
        Ok(row) if row < v => row,
        _ => panic!("id {id} is out of range for a table of {v} rows"),
    };
    let rows = Embedding(ids.into_data().iter::<i64>().map(row).collect());
    run::<2, _, _, _>(rows, [table.into_dispatch()], None).reshape([b, s, m])
}

/// These rows of a table, which has them all: `[rows, m]` of `[v, m]`.
#[derive(Clone, Debug)]
struct Embedding(Arc<[usize]>);

impl Operation<1, 0> for Embedding {
    /// The table's size.
    type Saved<B: SliceBackend<f32>> = [usize; 2];

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, [usize; 2]) {
        let ([table], _) = inputs.split();
        let table = contiguous::<B, f32>(table);
        let dims @ [_, width] = table.shape().dims::<2>();
        let found = forward(slice::<B, f32>(&table), width, &self.0);
        (tensor::<B, f32>(found, [self.0.len(), width], &table.device()), dims)
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        dims: [usize; 2],
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let of_table = backward(isa(), slice::<B, f32>(&gradient), &self.0, dims);
        parents.register(0, tensor::<B, f32>(of_table, dims, &gradient.device()));
    }
}
