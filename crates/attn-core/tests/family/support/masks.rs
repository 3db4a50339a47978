//! Masks of every kind.

use super::Sample;
use attn_core::{AttentionShape, Mask};
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// `[batch, heads, queries, keys]` of the law's cases; all different.
pub const PAIRS: [usize; 4] = [2, 4, 6, 7];

/// Masks of every kind for [`PAIRS`], some of which leave queries without any key.
pub fn masks() -> Vec<(&'static str, Mask)> {
    let holes = Sample::random(PAIRS, 99);
    let cells: Vec<bool> = holes.data.iter().map(|&x| x > 0.2).collect();
    let explicit = Tensor::<4, Bool>::from_data(TensorData::new(cells, PAIRS), &Device::flex());
    vec![
        ("open", Mask::open()),
        ("nothing", Mask::nothing()),
        ("causal", Mask::causal()),
        ("window", Mask::window(Some(2), Some(1))),
        ("prefix", Mask::prefix([3, 1])),
        ("dilated", Mask::dilated(2)),
        ("padding", Mask::padding([5, 0])),
        ("left padding", Mask::left_padding([2, 6])),
        ("documents", Mask::documents(vec![vec![3, 2], vec![4, 3]])),
        ("blocks", Mask::blocks(4, vec![vec![true, false], vec![true, true]])),
        ("global", Mask::global(vec![vec![1], vec![0, 5]])),
        ("local blocks", Mask::local_blocks(3)),
        ("columns", Mask::columns(3, 1)),
        ("longformer", Mask::longformer(1, 1, vec![vec![0]])),
        ("explicit", Mask::visible(explicit)),
        ("causal, padded", Mask::causal() & Mask::padding([5, 2])),
        ("not causal", !Mask::causal()),
    ]
}

/// Which pairs a mask lets through, row-major.
pub fn lowered(mask: &Mask, [batch, heads, queries, keys]: [usize; 4]) -> Vec<bool> {
    let shape = AttentionShape { batch, heads, queries, keys };
    let mut visible = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                visible.extend((0..keys).map(|j| mask.is_visible(&shape, b, h, i, j)));
            }
        }
    }
    visible
}
