//! Random shapes, and random masks that fit them.

use attn_core::{AttentionShape, Mask};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Any sizes: fewer queries than keys, as many, or more.
pub fn shape() -> impl Strategy<Value = AttentionShape> {
    (1..=4_usize, 1..=3_usize, 1..=9_usize, 1..=9_usize)
        .prop_map(|(batch, heads, queries, keys)| AttentionShape { batch, heads, queries, keys })
}

/// As many queries as keys.
pub fn square() -> impl Strategy<Value = AttentionShape> {
    (1..=4_usize, 1..=3_usize, 2..=9_usize).prop_map(|(batch, heads, steps)| AttentionShape {
        batch,
        heads,
        queries: steps,
        keys: steps,
    })
}

/// A shape, and a mask of a single kind for it.
pub fn shaped_leaf() -> impl Strategy<Value = (AttentionShape, Mask)> {
    shape().prop_flat_map(|shape| (Just(shape), leaf(shape)))
}

/// A shape, and a mask of any depth for it.
pub fn shaped_mask() -> impl Strategy<Value = (AttentionShape, Mask)> {
    shape().prop_flat_map(|shape| (Just(shape), mask(shape)))
}

/// Leaves joined by `&`, `|` and `!`.
pub fn mask(shape: AttentionShape) -> BoxedStrategy<Mask> {
    combine(leaf(shape))
}

/// As [`mask`], of parts that know positions, so that they serve chunks of the shape, too.
pub fn positioned_mask(shape: AttentionShape) -> BoxedStrategy<Mask> {
    combine(prop_oneof![4 => rule(shape), 1 => matrix(shape)].boxed())
}

/// A mask of a single kind.
pub fn leaf(shape: AttentionShape) -> BoxedStrategy<Mask> {
    prop_oneof![6 => rule(shape), 1 => matrix(shape), 1 => broadcast_matrix(shape)].boxed()
}

fn combine(leaf: BoxedStrategy<Mask>) -> BoxedStrategy<Mask> {
    let pair = |left: Mask, right: Mask| (&left & &right, left | right);
    leaf.prop_recursive(3, 8, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(move |(left, right)| pair(left, right).0),
            (inner.clone(), inner.clone()).prop_map(move |(left, right)| pair(left, right).1),
            inner.prop_map(|mask| !mask),
        ]
    })
    .boxed()
}

fn rule(shape: AttentionShape) -> BoxedStrategy<Mask> {
    let keys = shape.keys;
    prop_oneof![
        Just(Mask::open()),
        Just(Mask::nothing()),
        Just(Mask::causal()),
        (option::of(0..=5_usize), option::of(0..=5_usize))
            .prop_map(|(left, right)| Mask::window(left, right)),
        (1..=4_usize).prop_map(Mask::dilated),
        per_row(shape, 0..=keys + 2).prop_map(Mask::prefix),
        per_row(shape, 0..=keys + 2).prop_map(Mask::padding),
        per_row(shape, 0..=keys + 2).prop_map(Mask::left_padding),
        per_row(shape, vec(0..=4_usize, 0..=4)).prop_map(Mask::documents),
        per_row(shape, vec(0..=keys + 1, 0..=3)).prop_map(Mask::global),
        (1..=5_usize).prop_map(Mask::local_blocks),
        columns().prop_map(|(step, width)| Mask::columns(step, width)),
        blocks(shape),
    ]
    .boxed()
}

/// One entry for all batch rows, or one for each.
pub fn per_row<S: Strategy + Clone>(
    shape: AttentionShape,
    entry: S,
) -> impl Strategy<Value = Vec<S::Value>> + use<S> {
    prop_oneof![vec(entry.clone(), 1), vec(entry, shape.batch)]
}

/// Step and width.
pub fn columns() -> impl Strategy<Value = (usize, usize)> {
    (1..=4_usize).prop_flat_map(|step| (Just(step), 1..=step))
}

/// A grid that covers the shape, or more.
fn blocks(shape: AttentionShape) -> impl Strategy<Value = Mask> + use<> {
    (1..=4_usize, 0..=1_usize, 0..=1_usize).prop_flat_map(move |(size, more_cols, more_rows)| {
        let cols = shape.keys.div_ceil(size) + more_cols;
        // The grid's first row lies at block `cols - rows`, the first query's at `position / size`.
        let first = shape.position(0).div_euclid(size as isize);
        let rows = (cols as isize - first) as usize + more_rows;
        vec(vec(any::<bool>(), cols), rows).prop_map(move |grid| Mask::blocks(size, grid))
    })
}

/// A matrix that covers the shape, or more.
fn matrix(shape: AttentionShape) -> impl Strategy<Value = Mask> + use<> {
    (batch_and_heads(shape), 0..=2_usize, 0..=2_usize, any::<bool>()).prop_flat_map(
        move |([batch, heads], behind, before, one_row)| {
            let cols = shape.keys + behind;
            let rows = if one_row { 1 } else { shape.queries + behind + before };
            // One column says nothing of positions: it comes with as many rows as there are queries.
            let rows = if cols == 1 { rows.min(shape.queries) } else { rows };
            explicit([batch, heads, rows, cols])
        },
    )
}

/// A matrix of one column, which holds for all keys.
fn broadcast_matrix(shape: AttentionShape) -> impl Strategy<Value = Mask> + use<> {
    (batch_and_heads(shape), any::<bool>()).prop_flat_map(move |([batch, heads], one_row)| {
        explicit([batch, heads, if one_row { 1 } else { shape.queries }, 1])
    })
}

fn batch_and_heads(shape: AttentionShape) -> impl Strategy<Value = [usize; 2]> + use<> {
    (any::<bool>(), any::<bool>()).prop_map(move |(each_row, each_head)| {
        [if each_row { shape.batch } else { 1 }, if each_head { shape.heads } else { 1 }]
    })
}

fn explicit(dims: [usize; 4]) -> impl Strategy<Value = Mask> + use<> {
    (vec(any::<bool>(), dims.iter().product::<usize>()), any::<bool>()).prop_map(
        move |(cells, visible)| {
            let tensor = bools(cells, dims);
            if visible { Mask::visible(tensor) } else { Mask::hidden(tensor) }
        },
    )
}

/// A tensor of these cells.
pub fn bools(cells: Vec<bool>, dims: [usize; 4]) -> Tensor<4, Bool> {
    Tensor::from_data(TensorData::new(cells, dims), &Device::flex())
}

/// Every `[b, h, i, j]` of a shape.
pub fn pairs(shape: AttentionShape) -> impl Iterator<Item = [usize; 4]> {
    let AttentionShape { batch, heads, queries, keys } = shape;
    (0..batch * heads * queries * keys).map(move |index| {
        let row = index / keys;
        let matrix = row / queries;
        [matrix / heads, matrix % heads, row % queries, index % keys]
    })
}

/// The mask, pair by pair in the order of [`pairs`].
pub fn seen(mask: &Mask, shape: AttentionShape) -> Vec<bool> {
    pairs(shape).map(|[b, h, i, j]| mask.is_visible(&shape, b, h, i, j)).collect()
}
