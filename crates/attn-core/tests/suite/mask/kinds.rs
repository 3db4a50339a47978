//! Each kind is what its formula says, at every position, negative ones included.

use super::strategy::{bools, columns, pairs, per_row, seen, shape};
use attn_core::{AttentionShape, Mask};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The formula at batch row `b`, position `p` and key `j`, pair by pair.
fn by_formula(shape: AttentionShape, formula: impl Fn(usize, i64, i64) -> bool) -> Vec<bool> {
    let position = |i: usize| i as i64 + shape.keys as i64 - shape.queries as i64;
    pairs(shape).map(|[b, _, i, j]| formula(b, position(i), j as i64)).collect()
}

fn at<T: Clone>(list: &[T], b: usize) -> T {
    list[if list.len() == 1 { 0 } else { b }].clone()
}

proptest! {
    #[test]
    fn open_shows_everything_and_nothing_nothing(shape in shape()) {
        prop_assert_eq!(seen(&Mask::open(), shape), by_formula(shape, |_, _, _| true));
        prop_assert_eq!(seen(&Mask::nothing(), shape), by_formula(shape, |_, _, _| false));
    }

    #[test]
    fn causal_shows_the_past(shape in shape()) {
        prop_assert_eq!(seen(&Mask::causal(), shape), by_formula(shape, |_, p, j| j <= p));
    }

    #[test]
    fn a_window_shows_both_sides(
        shape in shape(),
        left in option::of(0..=9_usize),
        right in option::of(0..=9_usize),
    ) {
        let formula = |_, p, j| {
            left.is_none_or(|left| j >= p - left as i64)
                && right.is_none_or(|right| j <= p + right as i64)
        };
        prop_assert_eq!(seen(&Mask::window(left, right), shape), by_formula(shape, formula));
    }

    #[test]
    fn dilation_shows_multiples(shape in shape(), step in 1..=5_usize) {
        let formula = |_, p: i64, j: i64| (p - j) % step as i64 == 0;
        prop_assert_eq!(seen(&Mask::dilated(step), shape), by_formula(shape, formula));
    }

    #[test]
    fn lengths_show_keys_of_their_row(
        (shape, lengths) in shape().prop_flat_map(|s| (Just(s), per_row(s, 0..=11_usize))),
    ) {
        let length = |b| at(&lengths, b) as i64;
        prop_assert_eq!(
            seen(&Mask::padding(lengths.clone()), shape),
            by_formula(shape, |b, _, j| j < length(b))
        );
        prop_assert_eq!(
            seen(&Mask::left_padding(lengths.clone()), shape),
            by_formula(shape, |b, _, j| j >= length(b))
        );
        prop_assert_eq!(
            seen(&Mask::prefix(lengths.clone()), shape),
            by_formula(shape, |b, p, j| j <= p || j < length(b))
        );
    }

    #[test]
    fn documents_do_not_see_each_other(
        (shape, lengths) in
            shape().prop_flat_map(|s| (Just(s), per_row(s, vec(0..=4_usize, 0..=4)))),
    ) {
        // The number of each position's document, none behind the last.
        let numbers = |b| -> Vec<usize> {
            let row = at(&lengths, b).into_iter().enumerate();
            row.flat_map(|(number, length)| vec![number; length]).collect()
        };
        let formula = |b, p: i64, j: i64| {
            let numbers = numbers(b);
            let of = |position: i64| {
                usize::try_from(position).ok().and_then(|position| numbers.get(position))
            };
            of(p).is_some() && of(p) == of(j)
        };
        prop_assert_eq!(seen(&Mask::documents(lengths.clone()), shape), by_formula(shape, formula));
    }

    #[test]
    fn global_tokens_see_and_are_seen(
        (shape, positions) in
            shape().prop_flat_map(|s| (Just(s), per_row(s, vec(0..=10_usize, 0..=4)))),
    ) {
        let formula = |b, p: i64, j: i64| {
            let row = at(&positions, b);
            row.iter().any(|&global| global as i64 == p || global as i64 == j)
        };
        prop_assert_eq!(seen(&Mask::global(positions.clone()), shape), by_formula(shape, formula));
    }

    #[test]
    fn local_blocks_do_not_see_each_other(shape in shape(), size in 1..=5_i64) {
        let formula = |_, p: i64, j: i64| p.div_euclid(size) == j / size;
        prop_assert_eq!(
            seen(&Mask::local_blocks(size as usize), shape),
            by_formula(shape, formula)
        );
    }

    #[test]
    fn columns_end_each_step(shape in shape(), (step, width) in columns()) {
        let formula = |_, _, j: i64| j % step as i64 >= (step - width) as i64;
        prop_assert_eq!(seen(&Mask::columns(step, width), shape), by_formula(shape, formula));
    }

    #[test]
    fn blocks_show_blocks(steps in 1..=9_usize, size in 1..=4_usize, cells in vec(any::<bool>(), 81)) {
        let shape = AttentionShape { batch: 2, heads: 3, queries: steps.div_ceil(2), keys: steps };
        let blocks = steps.div_ceil(size);
        let grid: Vec<_> = cells.chunks(9).take(blocks).map(|row| row[..blocks].to_vec()).collect();
        let formula = |_, p: i64, j: i64| grid[p as usize / size][j as usize / size];
        prop_assert_eq!(seen(&Mask::blocks(size, grid.clone()), shape), by_formula(shape, formula));
    }

    #[test]
    fn a_matrix_of_the_shape_is_read_as_it_is(shape in shape(), cells in vec(any::<bool>(), 972)) {
        let AttentionShape { batch, heads, queries, keys } = shape;
        let dims = [batch, heads, queries, keys];
        let cells = cells[..dims.iter().product()].to_vec();
        prop_assert_eq!(&seen(&Mask::visible(bools(cells.clone(), dims)), shape), &cells);
        let hidden: Vec<_> = cells.iter().map(|cell| !cell).collect();
        prop_assert_eq!(seen(&Mask::hidden(bools(cells, dims)), shape), hidden);
    }
}

#[test]
fn a_larger_matrix_is_aligned_at_the_bottom_right() {
    // Keys 0..5 of a matrix for 7; its rows are the positions 2..7, those asked for 3 and 4.
    let [rows, cols] = [5, 7];
    let marked = |row: usize, col: usize| (row * 3 + col).is_multiple_of(2);
    let cells = (0..rows * cols).map(|index| marked(index / cols, index % cols)).collect();
    let mask = Mask::visible(bools(cells, [1, 1, rows, cols]));
    let shape = AttentionShape { batch: 1, heads: 1, queries: 2, keys: 5 };
    for [b, h, i, j] in pairs(shape) {
        let row = i + 3 - (cols - rows);
        assert_eq!(mask.is_visible(&shape, b, h, i, j), marked(row, j), "query {i}, key {j}");
    }
}

#[test]
fn an_oblong_grid_is_aligned_at_the_bottom_right() {
    // One row of blocks, of the positions 4..8, over two columns of blocks.
    let mask = Mask::blocks(4, vec![vec![true, false]]);
    let shape = AttentionShape { batch: 1, heads: 1, queries: 3, keys: 7 };
    assert_eq!(mask.art(&shape).to_string(), "■■■■···\n".repeat(3));
}

#[test]
fn bounds_that_no_position_reaches_do_not_overflow() {
    let shape = AttentionShape { batch: 1, heads: 1, queries: 5, keys: 3 };
    let huge = Some(usize::MAX);
    assert_eq!(seen(&Mask::window(huge, huge), shape), seen(&Mask::open(), shape));
    assert_eq!(seen(&Mask::window(huge, Some(0)), shape), seen(&Mask::causal(), shape));
    let diagonal = Mask::window(Some(0), Some(0));
    assert_eq!(seen(&Mask::dilated(usize::MAX), shape), seen(&diagonal, shape));
    assert_eq!(seen(&Mask::padding([usize::MAX]), shape), seen(&Mask::open(), shape));
    assert_eq!(seen(&Mask::global(vec![vec![usize::MAX]]), shape), seen(&Mask::nothing(), shape));
    let one = Mask::documents(vec![vec![3]]);
    assert_eq!(seen(&Mask::local_blocks(usize::MAX), shape), seen(&one, shape));
    let columns = Mask::columns(usize::MAX, usize::MAX - 1);
    assert_eq!(seen(&columns, shape), seen(&Mask::left_padding([1]), shape));
    let documents = Mask::documents(vec![vec![1, usize::MAX - 1]]);
    assert_eq!(documents.art(&shape).to_string(), "···\n···\n■··\n·■■\n·■■\n");
}
