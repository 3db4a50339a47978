//! The weights of an attention, some queries at a time.

use crate::attend::Call;
use crate::{AttendOptions, Mask, Sink};
use attn_kernels::attention::Options;
use attn_kernels::attention::unfused;
use attn_kernels::{Tile, Visibility};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// Pairs of a tile, in all heads of all batch rows: 4 MiB of weights.
const PAIRS: usize = 1 << 20;
/// Queries of a tile at most: the fewer, the more keys are beyond what all of them see.
const ROWS: usize = 256;
/// Keys that are looked for, or passed over, at once.
const COLS: usize = 256;

/// Sizes of an attention, and where and as what its weights are computed.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// `[batch, heads, queries, keys]`
    pub(super) dims: [usize; 4],
    device: Device,
    dtype: DType,
}

impl Frame {
    /// # Panics
    /// If the tensors do not fit together.
    #[track_caller]
    pub(super) fn of(query: &Tensor<4>, key: &Tensor<4>, options: &AttendOptions) -> Self {
        let [batch, heads, queries, d] = query.dims();
        let [_, kv_heads, keys, _] = key.dims();
        assert_eq!(
            key.dims(),
            [batch, kv_heads, keys, d],
            "key {:?} does not fit query {:?}: batch and head width must agree",
            key.dims(),
            query.dims()
        );
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "{heads} query heads do not split evenly over {kv_heads} key/value heads"
        );
        let dims = [batch, heads, queries, keys];
        if let Some(bias) = &options.bias {
            let broadcasts =
                bias.dims().into_iter().zip(dims).all(|(size, full)| size == 1 || size == full);
            assert!(broadcasts, "bias {:?} does not broadcast to scores {dims:?}", bias.dims());
        }
        Self { dims, ..Self::like(query, dims) }
    }

    /// Of weights that there are.
    pub(super) fn of_weights(weights: &Tensor<4>) -> Self {
        Self::like(weights, weights.dims())
    }

    fn like(tensor: &Tensor<4>, dims: [usize; 4]) -> Self {
        let device = tensor.device().without_autodiff();
        let dtype = if tensor.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        Self { dims, device, dtype }
    }

    /// The weights of some queries as they are read.
    pub(super) fn cast<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        if tensor.dtype() == self.dtype {
            tensor
        } else {
            tensor.cast(FloatDType::from(self.dtype))
        }
    }

    /// Numbers as a tensor beside the weights.
    pub(super) fn tensor<const D: usize>(&self, numbers: Vec<f64>, dims: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(numbers, dims), (&self.device, self.dtype))
    }

    /// The device of the answers.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    fn has_pairs(&self) -> bool {
        !self.dims.contains(&0)
    }

    /// Queries of a tile.
    fn rows(&self) -> usize {
        let [batch, heads, _, keys] = self.dims;
        (PAIRS / (batch * heads * keys)).clamp(1, ROWS)
    }

    /// The queries, tile by tile.
    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let queries = if self.has_pairs() { self.dims[2] } else { 0 };
        let rows = if self.has_pairs() { self.rows() } else { 1 };
        (0..queries).step_by(rows).map(move |start| start..(start + rows).min(queries))
    }
}

/// The weights of some queries.
#[derive(Debug)]
pub(super) struct Part {
    /// `[batch, heads, rows, cols]`
    pub(super) weights: Tensor<4>,
    /// The queries.
    pub(super) rows: Range<usize>,
    /// The keys; these queries give the others none.
    pub(super) cols: Range<usize>,
}

/// Computes the weights of all queries, in order and each once, where there are any pairs.
///
/// # Panics
/// If sink, soft-cap or mask do not fit.
pub(super) fn walk(
    frame: &Frame,
    query: Tensor<4>,
    key: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
    mut visit: impl FnMut(Part),
) {
    let [.., keys] = frame.dims;
    let (query, key) = (query.without_autodiff(), key.without_autodiff());
    let options = AttendOptions {
        bias: options.bias.clone().map(Tensor::without_autodiff),
        sink: options.sink.clone().map(|sink| match sink {
            Sink::Zero => Sink::Zero,
            Sink::Learned(logits) => Sink::Learned(logits.without_autodiff()),
        }),
        dropout: None,
        ..options.clone()
    };
    let Call { bias, sink, options } = Call::new(&query, &key, mask, &options);
    for rows in frame.tiles() {
        let cols = options.mask.as_deref().map_or(0..keys, |mask| reach(mask, &rows, keys));
        let query = query.clone().slice_dim(2, rows.clone());
        let key = key.clone().slice_dim(2, cols.clone());
        let bias = bias.clone().map(|bias| crop(crop(bias, 2, &rows), 3, &cols));
        let mask = options.mask.clone().map(|mask| {
            let crop = Crop { mask, rows: rows.clone(), cols: cols.clone() };
            Arc::new(crop) as Arc<dyn Visibility>
        });
        let options = Options { mask, ..options.clone() };
        let softmax = unfused::softmax(query, key, bias, sink.clone(), &options);
        visit(Part { weights: frame.cast(softmax.weights), rows, cols });
    }
}

/// The same of weights that there are.
pub(super) fn walk_weights(frame: &Frame, weights: Tensor<4>, mut visit: impl FnMut(Part)) {
    let [.., keys] = frame.dims;
    let weights = weights.without_autodiff();
    for rows in frame.tiles() {
        let part = frame.cast(weights.clone().slice_dim(2, rows.clone()));
        visit(Part { weights: part, rows, cols: 0..keys });
    }
}

/// The keys from the first to the last that any of these queries sees, and at least one.
fn reach(mask: &dyn Visibility, rows: &Range<usize>, keys: usize) -> Range<usize> {
    let [batch, heads, ..] = mask.dims();
    let seen = |cols: &Range<usize>| {
        let mut heads = (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h)));
        heads.any(|(b, h)| mask.tile(b, h, rows.clone(), cols.clone()) != Tile::Empty)
    };
    let cols = |index: usize| index * COLS..((index + 1) * COLS).min(keys);
    let mut chunks = (0..keys.div_ceil(COLS)).map(cols);
    let Some(first) = chunks.find(seen) else { return 0..1 };
    first.start..chunks.rfind(seen).map_or(first.end, |last| last.end)
}

/// The part of an axis, unless one element of it holds for all.
fn crop(tensor: Tensor<4>, axis: usize, range: &Range<usize>) -> Tensor<4> {
    if tensor.dims()[axis] == 1 { tensor } else { tensor.slice_dim(axis, range.clone()) }
}

/// A mask, of some of its queries and keys.
#[derive(Debug)]
struct Crop {
    mask: Arc<dyn Visibility>,
    rows: Range<usize>,
    cols: Range<usize>,
}

impl Visibility for Crop {
    fn dims(&self) -> [usize; 4] {
        let [batch, heads, queries, keys] = self.mask.dims();
        let size = |own: usize, part: &Range<usize>| if own == 1 { 1 } else { part.len() };
        [batch, heads, size(queries, &self.rows), size(keys, &self.cols)]
    }

    fn tile(&self, batch: usize, head: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        let shift = |range: Range<usize>, by: usize| range.start + by..range.end + by;
        let (rows, cols) = (shift(rows, self.rows.start), shift(cols, self.cols.start));
        self.mask.tile(batch, head, rows, cols)
    }

    fn bits(&self, batch: usize, head: usize, query: usize, first: usize) -> u64 {
        let exist = self.cols.len().saturating_sub(first);
        let ones = if exist < 64 { (1 << exist) - 1 } else { u64::MAX };
        let (query, first) = (query + self.rows.start, first + self.cols.start);
        self.mask.bits(batch, head, query, first) & ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttentionShape;

    #[test]
    fn a_part_of_a_mask_says_what_the_mask_says_there() {
        let shape = AttentionShape { batch: 2, heads: 3, queries: 90, keys: 200 };
        let (rows, cols) = (13..71, 30..175);
        for mask in
            [Mask::causal(), Mask::padding([100, 31]), Mask::longformer(3, 7, vec![vec![40]])]
        {
            let whole: Arc<dyn Visibility> = Arc::new(mask.bind(&shape));
            let part = Crop { mask: whole.clone(), rows: rows.clone(), cols: cols.clone() };
            let dims = part.dims();
            assert_eq!(
                dims,
                mask.lowered_dims(&AttentionShape { queries: 58, keys: 145, ..shape })
            );
            for (i, first) in (0..rows.len()).flat_map(|i| [0, 64, 100, 144].map(|j| (i, j))) {
                let found = part.bits(1, 2, i, first);
                let expected = (first..cols.len().min(first + 64)).fold(0, |bits, j| {
                    let sees = mask.is_visible(&shape, 1, 2, i + rows.start, j + cols.start);
                    bits | u64::from(sees) << (j - first)
                });
                assert_eq!(found, expected, "{mask:?}: {i}, {first}");
            }
            let found = part.tile(1, 2, 5..9, 60..80);
            assert_eq!(found, whole.tile(1, 2, 18..22, 90..110), "{mask:?}");
        }
    }

    #[test]
    fn keys_that_no_query_reaches_are_left_out() {
        let shape = AttentionShape { batch: 1, heads: 1, queries: 2000, keys: 2000 };
        let reach = |mask: Mask, rows: Range<usize>| reach(&mask.bind(&shape), &rows, 2000);
        assert_eq!(reach(Mask::causal(), 0..64), 0..256);
        assert_eq!(reach(Mask::causal(), 1900..2000), 0..2000);
        assert_eq!(reach(Mask::window(Some(100), Some(0)), 1000..1064), 768..1280);
        assert_eq!(reach(Mask::nothing(), 0..64), 0..1);
        let two = Mask::global(vec![vec![300, 1999]]);
        assert_eq!(reach(two, 0..64), 256..2000);
    }
}
