//! The patterns of the literature are their definitions, pair by pair.

use super::strategy::{pairs, seen};
use attn_core::mask::BigBird;
use attn_core::{AttentionShape, Mask};
use proptest::prelude::*;

fn square(steps: usize) -> AttentionShape {
    AttentionShape { batch: 1, heads: 1, queries: steps, keys: steps }
}

/// The definition at query `i` and key `j`, pair by pair.
fn by_definition(steps: usize, sees: impl Fn(usize, usize) -> bool) -> Vec<bool> {
    pairs(square(steps)).map(|[_, _, i, j]| sees(i, j)).collect()
}

proptest! {
    /// Beltagy et al. 2020, section 3.1.
    #[test]
    fn longformer(steps in 1..=12_usize, side in 0..=3_usize, dilation in 1..=3_usize) {
        let global = [1, 4];
        let definition = |i: usize, j: usize| {
            let near = (0..=side).any(|n| i.abs_diff(j) == n * dilation);
            near || global.contains(&i) || global.contains(&j)
        };
        let mask = Mask::longformer(side, dilation, vec![global.to_vec()]);
        prop_assert_eq!(seen(&mask, square(steps)), by_definition(steps, definition));
    }

    /// Child et al. 2019, section 4.3: `A(1) = {t, …, i}`, `t = max(0, i - l)`, and
    /// `A(2) = {j : (i - j) mod l = 0}`, both for `j <= i`.
    #[test]
    fn strided(steps in 1..=12_usize, l in 1..=5_usize) {
        let definition =
            |i: usize, j: usize| j <= i && (j >= i.saturating_sub(l) || (i - j).is_multiple_of(l));
        prop_assert_eq!(seen(&Mask::strided(l), square(steps)), by_definition(steps, definition));
    }

    /// Child et al. 2019, section 4.3: `A(1) = {j : ⌊j / l⌋ = ⌊i / l⌋}`, and
    /// `A(2) = {j : j mod l ∈ {l - c, …, l - 1}}`, both for `j <= i`.
    #[test]
    fn fixed(steps in 1..=12_usize, (l, c) in super::strategy::columns()) {
        let definition = |i: usize, j: usize| j <= i && (j / l == i / l || (l - c..l).contains(&(j % l)));
        prop_assert_eq!(seen(&Mask::fixed(l, c), square(steps)), by_definition(steps, definition));
    }

    /// Each row of blocks sees so many of them, wholly.
    #[test]
    fn random_blocks_are_so_many_in_each_row(
        size in 1..=3_usize,
        (blocks, per_row) in (1..=6_usize).prop_flat_map(|blocks| (Just(blocks), 0..=blocks)),
        seed in any::<u64>(),
    ) {
        let steps = size * blocks;
        let cells = seen(&Mask::random_blocks(size, blocks, per_row, seed), square(steps));
        for (i, row) in cells.chunks(steps).enumerate() {
            prop_assert_eq!(row.iter().filter(|&&visible| visible).count(), per_row * size);
            let first = &cells[i / size * size * steps..][..steps];
            prop_assert_eq!(row, first);
            prop_assert!(row.chunks(size).all(|block| block.iter().all(|cell| *cell == block[0])));
        }
    }

    /// Zaheer et al. 2020, section 2.
    #[test]
    fn big_bird(window in 0..=3_usize, global in 0..=2_usize, random in 0..=4_usize, seed in any::<u64>()) {
        let sizes = BigBird { size: 3, blocks: 4, window, global, random, seed };
        let drawn = seen(&Mask::random_blocks(3, 4, random, seed), square(12));
        let definition = |i: usize, j: usize| {
            i.abs_diff(j) <= window || i.min(j) < global || drawn[i * 12 + j]
        };
        prop_assert_eq!(seen(&Mask::big_bird(sizes), square(12)), by_definition(12, definition));
    }
}

/// Over 4,096 rows, each of 8 blocks is drawn 1,024 ± 28 times if 2 of them are, with a standard
/// deviation of sqrt(4096 · ¼ · ¾); five of these are exceeded once in a million seeds.
#[test]
fn random_blocks_prefer_none() {
    let mut counts = [0_i32; 8];
    for seed in 0..512 {
        let cells = seen(&Mask::random_blocks(1, 8, 2, seed), square(8));
        for row in cells.chunks(8) {
            counts.iter_mut().zip(row).for_each(|(count, &drawn)| *count += i32::from(drawn));
        }
    }
    assert!(counts.iter().all(|count| (count - 1024).abs() < 5 * 28), "{counts:?}");
}

/// What a seed draws is the same for ever: models are trained with it.
#[test]
fn what_a_seed_draws_is_stable() {
    let art = Mask::random_blocks(1, 5, 2, 42).art(&square(5)).to_string();
    assert_eq!(art.lines().collect::<Vec<_>>(), ["■■···", "■···■", "■■···", "·■··■", "·■·■·"]);
}

#[test]
#[should_panic(
    expected = "random blocks: 4 blocks of keys for each block of queries, but there are 3"
)]
fn more_random_blocks_than_there_are() {
    Mask::random_blocks(16, 3, 4, 1);
}

#[test]
#[should_panic(expected = "blocks of size 0")]
fn random_blocks_of_nothing() {
    Mask::random_blocks(0, 3, 1, 1);
}

#[test]
#[should_panic(expected = "longformer mask of dilation 0, needs at least 1")]
fn a_longformer_of_no_dilation() {
    Mask::longformer(3, 0, vec![vec![]]);
}

#[test]
#[should_panic(expected = "strided mask of stride 0, needs at least 1")]
fn no_stride() {
    Mask::strided(0);
}

#[test]
#[should_panic(expected = "columns: 3 columns of every 2, needs from 1 to 2")]
fn a_summary_longer_than_its_block() {
    Mask::fixed(2, 3);
}
