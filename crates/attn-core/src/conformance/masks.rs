//! Every kind of mask, and what `&`, `|` and `!` make of them.

use super::array::Array;
use super::noise::Noise;
use crate::{AttentionShape, Mask};
use burn::tensor::Device;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Masks that fit a shape. Explicit ones are handed over as tensors of the device.
pub fn masks(shape: AttentionShape, device: &Device) -> BoxedStrategy<Mask> {
    let AttentionShape { batch, keys, .. } = shape;
    // One entry per batch row, or one for all.
    let lengths = move || prop_oneof![vec(0..=keys, batch), vec(0..=keys, 1)];
    let documents = prop_oneof![vec(vec(0..=keys, 0..4), batch), vec(vec(0..=keys, 0..4), 1)];
    let globals = prop_oneof![vec(vec(0..keys, 0..3), batch), vec(vec(0..keys, 0..3), 1)];
    let columns = (1..=keys).prop_flat_map(|step| (Just(step), 1..=step));
    let device = device.clone();
    let matrices = any::<u64>().prop_map(move |seed| matrix(&shape, seed).tensor(&device)).boxed();
    let kinds = prop_oneof![
        Just(Mask::open()),
        Just(Mask::causal()),
        (option::of(0..=keys), option::of(0..=keys)).prop_map(|(l, r)| Mask::window(l, r)),
        lengths().prop_map(Mask::prefix),
        (1..=keys).prop_map(Mask::dilated),
        lengths().prop_map(Mask::padding),
        lengths().prop_map(Mask::left_padding),
        documents.prop_map(Mask::documents),
        globals.prop_map(Mask::global),
        (1..=keys).prop_map(Mask::local_blocks),
        columns.prop_map(|(step, width)| Mask::columns(step, width)),
        (1..=keys, any::<u64>()).prop_map(move |(size, seed)| blocks(&shape, size, seed).0),
        matrices.clone().prop_map(Mask::visible),
        matrices.prop_map(Mask::hidden),
        Just(Mask::nothing()),
    ];
    let combined = kinds.prop_recursive(2, 4, 2, |mask| {
        prop_oneof![
            (mask.clone(), mask.clone()).prop_map(|(left, right)| left & right),
            (mask.clone(), mask.clone()).prop_map(|(left, right)| left | right),
            mask.prop_map(|mask| !mask),
        ]
    });
    combined.boxed()
}

/// A block-sparse mask that just covers the shape, and its grid.
///
/// The grid is aligned bottom-right, so it needs as many rows as bring its first to the position of
/// query 0.
pub fn blocks(shape: &AttentionShape, size: usize, seed: u64) -> (Mask, Vec<Vec<bool>>) {
    let cols = shape.keys.div_ceil(size);
    let rows = (cols * size - shape.keys + shape.queries).div_ceil(size);
    let mut noise = Noise::new(seed, "blocks");
    let grid: Vec<Vec<bool>> =
        (0..rows).map(|_| (0..cols).map(|_| noise.one_in(2)).collect()).collect();
    (Mask::blocks(size, grid.clone()), grid)
}

/// Booleans that broadcast to `[batch, heads, queries, keys]`, in random dimensions.
pub fn matrix(shape: &AttentionShape, seed: u64) -> Array<bool> {
    let AttentionShape { batch, heads, queries, keys } = *shape;
    let mut noise = Noise::new(seed, "matrix");
    let dims = [batch, heads, queries, keys].map(|size| if noise.one_in(3) { 1 } else { size });
    Array::from_fn(dims, |_| noise.one_in(2))
}
