//! A mask that does not fit the shape panics with both.

use super::strategy::bools;
use attn_core::{AttentionShape, Mask};
use burn::tensor::Device;

const SHAPE: AttentionShape = AttentionShape { batch: 2, heads: 3, queries: 5, keys: 7 };

fn matrix(dims: [usize; 4]) -> Mask {
    Mask::visible(bools(vec![true; dims.iter().product()], dims))
}

#[test]
#[should_panic(expected = "padding has 3 entries, but the batch has 2 rows")]
fn padding_for_another_batch() {
    Mask::padding([1, 2, 3]).lower(&SHAPE, &Device::flex());
}

#[test]
#[should_panic(expected = "left padding has 3 entries, but the batch has 2 rows")]
fn left_padding_for_another_batch() {
    Mask::left_padding([1, 2, 3]).is_visible(&SHAPE, 0, 0, 0, 0);
}

#[test]
#[should_panic(expected = "documents has 3 entries, but the batch has 2 rows")]
fn documents_for_another_batch() {
    (!Mask::documents(vec![vec![7]; 3])).tile(&SHAPE, 0, 0, 0..5, 0..7);
}

#[test]
#[should_panic(expected = "global has 3 entries, but the batch has 2 rows")]
fn global_tokens_for_another_batch() {
    Mask::global(vec![vec![7]; 3]).lower(&SHAPE, &Device::flex());
}

#[test]
#[should_panic(expected = "covers 6 queries × 6 keys, but not 5 × 7")]
fn blocks_for_fewer_keys() {
    let mask = Mask::causal() & Mask::blocks(2, vec![vec![true; 3]; 3]);
    mask.is_open_for(&SHAPE);
}

#[test]
#[should_panic(expected = "explicit([1, 1, 6, 6]) does not cover [2, 3, 5, 7]")]
fn a_matrix_for_fewer_keys() {
    matrix([1, 1, 6, 6]).lowered_dims(&SHAPE);
}

#[test]
#[should_panic(expected = "explicit([1, 2, 7, 7]) does not cover [2, 3, 5, 7]")]
fn a_matrix_for_other_heads() {
    matrix([1, 2, 7, 7]).art(&SHAPE);
}

#[test]
#[should_panic(expected = "explicit([1, 1, 7, 1]) does not cover [2, 3, 5, 7]")]
fn a_column_for_more_queries() {
    matrix([1, 1, 7, 1]).lower(&SHAPE, &Device::flex());
}

#[test]
#[should_panic(expected = "explicit([1, 1, 7, 7]) does not cover [1, 1, 5, 3]")]
fn a_square_matrix_for_more_queries_than_keys() {
    let shape = AttentionShape { batch: 1, heads: 1, queries: 5, keys: 3 };
    matrix([1, 1, 7, 7]).lower(&shape, &Device::flex());
}

#[test]
#[should_panic(expected = "pair [0, 0, 5, 0] is outside of [2, 3, 5, 7]")]
fn a_pair_outside_of_the_shape() {
    Mask::open().is_visible(&SHAPE, 0, 0, 5, 0);
}

#[test]
#[should_panic(expected = "dilated mask of step 0, needs at least 1")]
fn dilation_by_nothing() {
    Mask::dilated(0);
}

#[test]
#[should_panic(expected = "local blocks mask of size 0, needs at least 1")]
fn local_blocks_of_nothing() {
    Mask::local_blocks(0);
}

#[test]
#[should_panic(expected = "columns: 5 columns of every 4, needs from 1 to 4")]
fn more_columns_than_there_are() {
    Mask::columns(4, 5);
}

#[test]
#[should_panic(expected = "columns: 0 columns of every 4, needs from 1 to 4")]
fn no_columns() {
    Mask::columns(4, 0);
}

#[test]
#[should_panic(expected = "blocks of size 0")]
fn blocks_of_nothing() {
    Mask::blocks(0, vec![]);
}

#[test]
#[should_panic(expected = "row 1 has 1 cells, needs 2")]
fn a_ragged_grid() {
    Mask::blocks(4, vec![vec![true, true], vec![true]]);
}

#[test]
#[should_panic(expected = "a document of length 3 behind position")]
fn documents_beyond_counting() {
    Mask::documents(vec![vec![usize::MAX, 3]]);
}

#[test]
#[should_panic(expected = "no batch row 2, head 0 in 2 rows, 3 heads")]
fn art_of_a_row_that_is_not_there() {
    let _ = Mask::open().art(&SHAPE).at(2, 0);
}
