//! Selected rows see what the rows that they were saw.

use super::strategy::{pairs, shaped_mask};
use attn_core::{AttentionShape, Mask};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_selected_row_sees_what_it_saw(
        ((shape, mask), rows) in shaped_mask().prop_flat_map(|(shape, mask)| {
            (Just((shape, mask)), vec(0..shape.batch, 1..=5))
        }),
    ) {
        let selected = mask.select_rows(&rows);
        let new_shape = AttentionShape { batch: rows.len(), ..shape };
        for [b, h, i, j] in pairs(new_shape) {
            prop_assert_eq!(
                selected.is_visible(&new_shape, b, h, i, j),
                mask.is_visible(&shape, rows[b], h, i, j)
            );
        }
    }
}

#[test]
fn what_holds_for_every_row_holds_for_more_rows() {
    let mask = Mask::prefix([3]) & Mask::documents(vec![vec![3, 4]]);
    assert_eq!(mask.select_rows(&[0, 0, 0]), mask);
}

#[test]
#[should_panic(expected = "row 2 is selected of a mask for 2 batch rows")]
fn a_row_that_is_not_there_is_refused() {
    Mask::padding([3, 5]).select_rows(&[0, 2]);
}
