//! The sizes of an attention, and whether its tensors agree on them.

use super::tensors::Inputs;
use crate::parameters::Options;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Tensor;

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Width of a query and a key.
    pub(super) d: usize,
    /// Width of a value.
    pub(super) value_dim: usize,
}

impl Sizes {
    /// Of tensors that [`check`] has seen.
    pub(super) fn of<B: Backend>(inputs: &Inputs<B>) -> Self {
        let [batch, heads, queries, d] = inputs.query.shape().dims();
        let [_, kv_heads, keys, value_dim] = inputs.value.shape().dims();
        Self { batch, heads, kv_heads, queries, keys, d, value_dim }
    }

    /// Whether there is no score at all.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs().contains(&0)
    }

    /// `[batch, heads, queries, keys]`
    pub(super) fn pairs(&self) -> [usize; 4] {
        [self.batch, self.heads, self.queries, self.keys]
    }

    /// Query heads that share a key/value head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

/// Panics unless the tensors fit together.
pub(super) fn check(
    query: &Tensor<4>,
    key: &Tensor<4>,
    value: &Tensor<4>,
    bias: Option<&Tensor<4>>,
    sink: Option<&Tensor<1>>,
    options: &Options,
) {
    let [batch, heads, queries, d] = query.dims();
    let [_, kv_heads, keys, _] = key.dims();
    assert_eq!(
        key.dims(),
        [batch, kv_heads, keys, d],
        "key {:?} does not fit query {:?}: batch and head width must agree",
        key.dims(),
        query.dims()
    );
    assert_eq!(
        value.dims()[..3],
        key.dims()[..3],
        "value {:?} does not fit key {:?}: batch, heads and keys must agree",
        value.dims(),
        key.dims()
    );
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads do not split evenly over {kv_heads} key/value heads"
    );
    assert!(d > 0, "query {:?} has heads of width zero", query.dims());
    assert!(value.dims()[3] > 0, "value {:?} has heads of width zero", value.dims());
    if let Some(softcap) = options.softcap {
        assert!(softcap > 0.0, "soft-cap must be positive, got {softcap}");
    }
    let pairs = [batch, heads, queries, keys];
    if let Some(bias) = bias {
        let dims = bias.dims();
        assert!(broadcasts(dims, pairs), "bias {dims:?} does not broadcast to scores {pairs:?}");
    }
    if let Some(sink) = sink {
        let dims = sink.dims();
        assert_eq!(dims, [heads], "sink {dims:?} does not fit {heads} query heads: one logit each");
    }
    if let Some(mask) = &options.mask {
        let dims = mask.dims();
        assert!(broadcasts(dims, pairs), "mask {dims:?} does not broadcast to scores {pairs:?}");
    }
}

fn broadcasts(dims: [usize; 4], to: [usize; 4]) -> bool {
    dims.iter().zip(to).all(|(&size, full)| size == 1 || size == full)
}
