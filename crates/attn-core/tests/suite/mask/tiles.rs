//! A tile is what its pairs are.

use super::strategy::{leaf, per_row, shape, shaped_leaf, shaped_mask};
use attn_core::{AttentionShape, Mask, Tile};
use proptest::prelude::*;
use std::ops::Range;

fn brute_force(
    mask: &Mask,
    shape: &AttentionShape,
    [b, h]: [usize; 2],
    rows: Range<usize>,
    cols: Range<usize>,
) -> Tile {
    let pairs = rows.len() * cols.len();
    let sees = |i| cols.clone().filter(move |&j| mask.is_visible(shape, b, h, i, j)).count();
    match rows.map(sees).sum::<usize>() {
        0 => Tile::Empty,
        visible if visible == pairs => Tile::Full,
        _ => Tile::Partial,
    }
}

/// Every tile of a small shape in one batch row and head.
fn tiles(shape: AttentionShape) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let ranges =
        |size: usize| (0..=size).flat_map(move |end| (0..=end).map(move |start| start..end));
    ranges(shape.queries)
        .flat_map(move |rows| ranges(shape.keys).map(move |cols| (rows.clone(), cols)))
}

/// Compares all tiles of the last batch row and head; `exact` refuses a needless `Partial`.
fn check_tiles(shape: AttentionShape, mask: &Mask, exact: bool) -> Result<(), TestCaseError> {
    let [b, h] = [shape.batch - 1, shape.heads - 1];
    for (rows, cols) in tiles(shape) {
        let told = mask.tile(&shape, b, h, rows.clone(), cols.clone());
        let truth = brute_force(mask, &shape, [b, h], rows.clone(), cols.clone());
        let allowed = told == truth || (!exact && told == Tile::Partial);
        prop_assert!(allowed, "{:?} {:?}: told {:?}, is {:?}", rows, cols, told, truth);
    }
    Ok(())
}

proptest! {
    #[test]
    fn single_kinds_are_exact((shape, mask) in shaped_leaf()) {
        check_tiles(shape, &mask, true)?;
    }

    #[test]
    fn a_prefix_is_exact(
        (shape, lengths) in shape().prop_flat_map(|s| (Just(s), per_row(s, 0..=11_usize))),
    ) {
        check_tiles(shape, &Mask::prefix(lengths), true)?;
    }

    #[test]
    fn a_negated_kind_is_exact((shape, mask) in shaped_leaf()) {
        let AttentionShape { queries, keys, .. } = shape;
        // A tile without pairs is `Empty` either way, so that only those with pairs are told apart.
        for (rows, cols) in tiles(AttentionShape { queries, keys, ..shape }) {
            if rows.is_empty() || cols.is_empty() {
                continue;
            }
            let told = (!&mask).tile(&shape, 0, 0, rows.clone(), cols.clone());
            let truth = brute_force(&!&mask, &shape, [0, 0], rows, cols);
            prop_assert_eq!(told, truth);
        }
    }

    #[test]
    fn combinations_never_claim_what_is_not((shape, mask) in shaped_mask()) {
        check_tiles(shape, &mask, false)?;
    }

    #[test]
    fn what_is_open_for_a_shape_hides_nothing(
        (shape, mask, single) in shape().prop_flat_map(|s| (Just(s), super::strategy::mask(s), leaf(s))),
    ) {
        let hides = |mask: &Mask| super::strategy::seen(mask, shape).contains(&false);
        prop_assert!(!(mask.is_open_for(&shape) && hides(&mask)));
        prop_assert_eq!(single.is_open_for(&shape), !hides(&single));
    }
}

#[test]
fn tiles_without_pairs_are_empty() {
    let shape = AttentionShape { batch: 2, heads: 3, queries: 5, keys: 7 };
    for mask in [Mask::open(), Mask::causal(), !Mask::causal(), Mask::prefix([2, 3])] {
        assert_eq!(mask.tile(&shape, 1, 2, 3..3, 0..7), Tile::Empty);
        assert_eq!(mask.tile(&shape, 1, 2, 0..5, 7..7), Tile::Empty);
    }
}

/// More pairs than any memory holds: classified without looking at them.
#[test]
fn tiles_of_long_sequences_are_classified_in_closed_form() {
    let steps = 1 << 40;
    let shape = AttentionShape { batch: 1, heads: 1, queries: steps, keys: steps };
    let half = steps / 2;
    let tile = |mask: &Mask, rows, cols| mask.tile(&shape, 0, 0, rows, cols);
    let (first, second) = (0..half, half..steps);
    for mask in [Mask::causal(), Mask::documents(vec![vec![half, half]]) & Mask::causal()] {
        assert_eq!(tile(&mask, first.clone(), second.clone()), Tile::Empty);
        assert_eq!(tile(&mask, first.clone(), first.clone()), Tile::Partial);
    }
    assert_eq!(tile(&Mask::causal(), second.clone(), first.clone()), Tile::Full);
    assert_eq!(tile(&Mask::dilated(half), first.clone(), 7..8), Tile::Partial);
    assert_eq!(tile(&Mask::padding([half]), second.clone(), first.clone()), Tile::Full);
    assert_eq!(tile(&Mask::left_padding([half]), 0..steps, second.clone()), Tile::Full);
    let global = Mask::global(vec![vec![half, half + 1]]);
    assert_eq!(tile(&global, half..half + 2, 0..half), Tile::Full);
    assert_eq!(tile(&global, 0..half, half..half + 2), Tile::Full);
    assert_eq!(tile(&global, 0..half, 0..half), Tile::Empty);
    assert_eq!(tile(&global, 0..steps, 0..half), Tile::Partial);
    let local = Mask::local_blocks(half);
    assert_eq!(tile(&local, second.clone(), second.clone()), Tile::Full);
    assert_eq!(tile(&local, first.clone(), second.clone()), Tile::Empty);
    let columns = Mask::columns(half, 3);
    assert_eq!(tile(&columns, 0..steps, half..steps - 3), Tile::Empty);
    assert_eq!(tile(&columns, 0..steps, steps - 3..steps), Tile::Full);
    assert_eq!(tile(&columns, 0..steps, second.clone()), Tile::Partial);
    let window = Mask::window(Some(half - 1), Some(0));
    assert_eq!(tile(&window, half..half + 1, 1..half + 1), Tile::Full);
    assert_eq!(tile(&window, half..half + 1, 0..1), Tile::Empty);
}

#[test]
#[should_panic(expected = "tile [1, 2, 0..6, 0..7] is outside of [2, 3, 5, 7]")]
fn a_tile_outside_of_the_shape_is_refused() {
    let shape = AttentionShape { batch: 2, heads: 3, queries: 5, keys: 7 };
    Mask::open().tile(&shape, 1, 2, 0..6, 0..7);
}
