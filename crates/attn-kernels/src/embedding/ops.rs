//! Embedding as an operation of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::embedding::{backward, forward};
use crate::cpu::isa;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, slice, tensor};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Int, Tensor};
use std::sync::Arc;

pub(super) fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let ([v, m], [b, s]) = (table.dims(), ids.dims());
    let row = |id: i64| match usize::try_from(id) {
        Ok(row) if row < v => row,
        _ => panic!("id {id} is not one of {v}"),
    };
    let rows = Rows(ids.into_data().iter::<i64>().map(row).collect());
    let found = <Dispatch as EmbeddingOps>::look_up(table.into_dispatch(), rows);
    Tensor::<2>::from_dispatch(found).reshape([b, s, m])
}

/// Rows of a table, which has them all.
#[derive(Clone, Debug)]
pub struct Rows(Arc<[usize]>);

/// Rows of a matrix.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait EmbeddingOps: Backend {
    /// `[rows, m]` of `[v, m]`
    fn look_up(table: FloatTensor<Self>, rows: Rows) -> FloatTensor<Self>;
}

for_slice_backends!(EmbeddingOps {
    fn look_up(table: FloatTensor<Self>, rows: Rows) -> FloatTensor<Self> {
        let table = contiguous::<Self, f32>(table);
        let [_, width] = table.shape().dims::<2>();
        let found = forward(slice::<Self, f32>(&table), width, &rows.0);
        tensor::<Self, f32>(found, [rows.0.len(), width], &table.device())
    }
});

/// The node of the result.
#[derive(Debug)]
struct Embedding;

#[derive(Clone, Debug)]
struct State {
    rows: Rows,
    /// Of the table.
    dims: [usize; 2],
}

impl<B: SliceBackend<f32>> Backward<B, 1> for Embedding {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [table], state: State { rows, dims } } = ops;
        let gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        if let Some(parent) = table {
            let of_table = backward(isa(), slice::<B, f32>(&gradient), &rows.0, dims);
            graph.register::<B>(parent.id, tensor::<B, f32>(of_table, dims, &gradient.device()));
        }
    }
}

impl<B: SliceBackend<f32> + EmbeddingOps, C: CheckpointStrategy> EmbeddingOps for Autodiff<B, C> {
    fn look_up(table: FloatTensor<Self>, rows: Rows) -> FloatTensor<Self> {
        let state = State { rows: rows.clone(), dims: table.shape().dims() };
        match Embedding.prepare::<C>([table.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, B::look_up(table.into_primitive(), rows)),
            OpsKind::UnTracked(prep) => prep.finish(B::look_up(table.into_primitive(), rows)),
        }
    }
}
