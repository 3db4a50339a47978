//! Bound to a shape, a mask tells kernels what it tells everyone.

use super::strategy::{shaped_leaf, shaped_mask};
use attn_core::{AttentionShape, Mask};
use attn_kernels::{Tile, Visibility};
use proptest::prelude::*;

/// Bit by bit, from every key on and from behind the last.
fn check_bits(shape: AttentionShape, mask: &Mask) -> Result<(), TestCaseError> {
    let AttentionShape { batch, heads, queries, keys } = shape;
    let bound = mask.bind(&shape);
    prop_assert_eq!(bound.dims(), mask.lowered_dims(&shape));
    for (b, h) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
        for (i, first) in (0..queries).flat_map(|i| (0..=keys).map(move |first| (i, first))) {
            let seen =
                (first..keys.min(first + 64)).filter(|&j| mask.is_visible(&shape, b, h, i, j));
            let expected = seen.fold(0_u64, |bits, j| bits | 1 << (j - first));
            let told = bound.bits(b, h, i, first);
            prop_assert_eq!(told, expected, "{:?}: query {}, from key {}", mask, i, first);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn of_single_kinds((shape, mask) in shaped_leaf()) {
        check_bits(shape, &mask)?;
    }

    #[test]
    fn of_combinations((shape, mask) in shaped_mask()) {
        check_bits(shape, &mask)?;
    }

    #[test]
    fn tiles_are_those_of_the_mask((shape, mask) in shaped_mask()) {
        let AttentionShape { queries, keys, .. } = shape;
        let [b, h] = [shape.batch - 1, shape.heads - 1];
        let told: Tile = mask.bind(&shape).tile(b, h, 0..queries, 0..keys);
        prop_assert_eq!(told, mask.tile(&shape, b, h, 0..queries, 0..keys));
    }
}

/// More keys than bits: every kind, at the seams.
#[test]
fn of_many_keys() {
    let shape = AttentionShape { batch: 2, heads: 1, queries: 3, keys: 200 };
    let grid = |blocks: usize| -> Vec<Vec<bool>> {
        (0..blocks).map(|i| (0..blocks).map(|j| (i + j * j) % 3 == 0).collect()).collect()
    };
    let cells: Vec<bool> = (0..220 * 210).map(|index| index % 11 < 4).collect();
    let matrix = Mask::visible(super::strategy::bools(cells, [1, 1, 220, 210]));
    let mut kinds = vec![
        Mask::open(),
        Mask::nothing(),
        Mask::causal(),
        Mask::window(Some(70), Some(0)),
        Mask::window(Some(3), None),
        Mask::prefix([130, 64]),
        Mask::padding([199, 65]),
        Mask::left_padding([64, 130]),
        Mask::documents(vec![vec![100, 37, 63], vec![150, 50]]),
        Mask::global(vec![vec![0, 63, 64, 199], vec![127, 198, 900]]),
        matrix,
    ];
    kinds.extend([1, 2, 3, 5, 31, 33, 63, 64, 65, 199, 200, usize::MAX].map(Mask::dilated));
    kinds.extend(
        [1, 3, 40, 64, 100, 201].map(|size| Mask::blocks(size, grid(200_usize.div_ceil(size)))),
    );
    kinds.extend([1, 3, 63, 64, 65, 199, 200, usize::MAX].map(Mask::local_blocks));
    let columns = [(1, 1), (5, 2), (64, 1), (65, 64), (130, 130), (150, 100), (usize::MAX, 9)];
    kinds.extend(columns.map(|(step, width)| Mask::columns(step, width)));
    kinds.push(Mask::columns(usize::MAX, usize::MAX - 100));
    for mask in &kinds {
        for mask in [mask.clone(), !mask, mask & Mask::dilated(3), mask | !Mask::causal()] {
            check_bits(shape, &mask).unwrap();
        }
    }
}

#[test]
#[should_panic(expected = "padding has 3 entries, but the batch has 2 rows")]
fn of_a_mask_that_does_not_fit() {
    Mask::padding([1, 2, 3]).bind(&AttentionShape { batch: 2, heads: 1, queries: 5, keys: 5 });
}
