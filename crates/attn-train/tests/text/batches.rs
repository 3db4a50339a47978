//! Padded batches, pairs for teacher forcing, length limits, and windows of a stream.

use attn_core::{AttentionShape, Mask};
use attn_train::batch::{
    BatchError, Blocks, Lengths, Overlong, PairBatch, TokenBatch, TokenPair, limit_lengths,
};
use attn_train::data::Side;
use attn_train::tokenizer::{BOS, EOS, PAD};
use proptest::prelude::*;

use crate::devices;

fn pair(source: &[u32], target: &[u32]) -> TokenPair {
    TokenPair { source: source.into(), target: target.into() }
}

#[test]
fn rows_are_padded_to_the_longest() {
    let batch = TokenBatch::from_rows(&[vec![7, 8], vec![], vec![9, 4, 5]]);
    assert_eq!(batch.ids, [7, 8, PAD, PAD, PAD, PAD, 9, 4, 5]);
    assert_eq!((batch.rows(), batch.width, batch.tokens(), batch.padding()), (3, 3, 5, 4));
    assert_eq!(batch.row(0), [7, 8]);
}

#[test]
fn the_tensor_holds_the_ids_row_by_row() {
    let batch = TokenBatch::from_rows(&[vec![7, 8, 6], vec![9]]);
    for device in devices() {
        let tensor = batch.tensor(&device);
        assert_eq!(tensor.dims(), [2, 3]);
        let ids: Vec<u32> = tensor.into_data().iter::<u32>().collect();
        assert_eq!(ids, batch.ids);
    }
}

#[test]
fn the_mask_hides_padding_and_nothing_else() {
    let batch = TokenBatch::from_rows(&[vec![7, 8, 6], vec![9]]);
    let shape = AttentionShape { batch: 2, heads: 1, queries: 4, keys: 3 };
    for (row, key) in (0..2).flat_map(|row| (0..3).map(move |key| (row, key))) {
        let visible = batch.mask().is_visible(&shape, row, 0, 2, key);
        assert_eq!(visible, key < batch.lengths[row], "row {row}, key {key}");
    }
    assert_eq!(TokenBatch::from_rows(&[[7, 8], [6, 9]]).mask(), Mask::open());
}

#[test]
fn empty_rows_make_one_step_of_padding() {
    let batch = TokenBatch::from_rows(&[[0_u32; 0], []]);
    assert_eq!((batch.ids, batch.width), (vec![PAD, PAD], 1));
}

#[test]
#[should_panic(expected = "a batch needs at least one row, got 0")]
fn a_batch_of_no_rows_is_refused() {
    TokenBatch::from_rows::<Vec<u32>>(&[]);
}

#[test]
fn the_decoder_reads_the_target_one_step_late() {
    let pairs = [pair(&[7, 8, 9], &[5, 6]), pair(&[4], &[])];
    let batch = PairBatch::from_pairs(&pairs);
    assert_eq!(batch.source.ids, [7, 8, 9, 4, PAD, PAD]);
    assert_eq!(batch.target_in.ids, [BOS, 5, 6, BOS, PAD, PAD]);
    assert_eq!(batch.target_out.ids, [5, 6, EOS, EOS, PAD, PAD]);
    assert_eq!(batch.target_in.lengths, batch.target_out.lengths);
    assert_eq!((batch.rows(), batch.tokens()), (2, 4));
    assert_eq!(pairs[0].steps(), [3, 3]);
}

const MAX: Lengths = Lengths { source: 3, target: 3 };

fn pairs_of_which_two_are_long() -> Vec<TokenPair> {
    vec![pair(&[4; 3], &[5; 2]), pair(&[6; 4], &[7]), pair(&[8], &[9; 3])]
}

#[test]
fn a_long_pair_is_refused_unless_asked_otherwise() {
    let mut pairs = pairs_of_which_two_are_long();
    let error = limit_lengths(&mut pairs, MAX, Overlong::default()).unwrap_err();
    assert_eq!(error, BatchError::TooLong { pair: 2, side: Side::Source, steps: 4, max: 3 });
    assert!(error.to_string().starts_with("the source of pair 2 has 4 steps but at most 3"));
    assert_eq!(pairs, pairs_of_which_two_are_long());

    // The special token counts: three tokens are four steps.
    let error = limit_lengths(&mut vec![pair(&[8], &[9; 3])], MAX, Overlong::Refuse).unwrap_err();
    assert_eq!(error, BatchError::TooLong { pair: 1, side: Side::Target, steps: 4, max: 3 });
}

#[test]
fn long_pairs_are_dropped_or_cut_when_asked() {
    let mut pairs = pairs_of_which_two_are_long();
    assert_eq!(limit_lengths(&mut pairs, MAX, Overlong::Drop), Ok(2));
    assert_eq!(pairs, [pair(&[4; 3], &[5; 2])]);

    let mut pairs = pairs_of_which_two_are_long();
    assert_eq!(limit_lengths(&mut pairs, MAX, Overlong::Truncate), Ok(2));
    assert_eq!(pairs, [pair(&[4; 3], &[5; 2]), pair(&[6; 3], &[7]), pair(&[8], &[9; 2])]);
    assert_eq!(limit_lengths(&mut pairs, MAX, Overlong::Refuse), Ok(0));
}

#[test]
#[should_panic(expected = "a target needs at least one step, got a maximum of 0")]
fn a_target_needs_room_for_its_end() {
    let _ = limit_lengths(&mut vec![], Lengths { source: 3, target: 0 }, Overlong::Truncate);
}

#[test]
fn a_window_is_followed_by_its_targets() {
    let blocks = Blocks::new((10..20).collect(), 4, 4);
    assert!(!blocks.is_empty());
    assert_eq!(blocks.lengths(), [[4], [4], [1]]);
    let batch = blocks.batch(&[2, 0]);
    assert_eq!(batch.input.ids, [18, PAD, PAD, PAD, 10, 11, 12, 13]);
    assert_eq!(batch.target.ids, [19, PAD, PAD, PAD, 11, 12, 13, 14]);
}

#[test]
fn a_stream_too_short_to_predict_has_no_window() {
    for stream in [vec![], vec![4]] {
        let blocks = Blocks::new(stream, 3, 1);
        assert!(blocks.is_empty());
        assert_eq!(blocks.lengths(), [[0_usize; 1]; 0]);
    }
}

#[test]
#[should_panic(expected = "a window needs at least one step, got width 0")]
fn a_window_without_steps_is_refused() {
    Blocks::new(vec![4, 5], 0, 1);
}

#[test]
#[should_panic(expected = "stride 4 must be between 1 and the width 3")]
fn a_stride_that_skips_tokens_is_refused() {
    Blocks::new(vec![4, 5], 3, 4);
}

#[test]
#[should_panic(expected = "window 2 of a stream of 2 windows")]
fn a_window_past_the_end_is_refused() {
    Blocks::new(vec![4, 5, 6], 1, 1).batch(&[2]);
}

proptest! {
    #[test]
    fn windows_side_by_side_predict_every_token_once(length in 2_usize..60, width in 1_usize..9) {
        let stream: Vec<u32> = (100..100 + length as u32).collect();
        let blocks = Blocks::new(stream.clone(), width, width);
        let all: Vec<usize> = (0..blocks.len()).collect();
        let batch = blocks.batch(&all);
        let rows = |batch: &TokenBatch| -> Vec<u32> {
            (0..batch.rows()).flat_map(|row| batch.row(row).to_vec()).collect()
        };
        prop_assert_eq!(rows(&batch.input), &stream[..length - 1]);
        prop_assert_eq!(rows(&batch.target), &stream[1..]);
    }

    #[test]
    fn overlapping_windows_reach_the_end_and_no_further(
        length in 2_usize..60,
        width in 1_usize..9,
        stride in 1_usize..9,
    ) {
        let stride = stride.min(width);
        let stream: Vec<u32> = (100..100 + length as u32).collect();
        let blocks = Blocks::new(stream.clone(), width, stride);
        let last = blocks.batch(&[blocks.len() - 1]);
        prop_assert_eq!(last.target.row(0).last(), stream.last());
        if blocks.len() > 1 {
            let before = blocks.batch(&[blocks.len() - 2]);
            prop_assert!(before.target.row(0).last() < stream.last());
        }
    }
}
