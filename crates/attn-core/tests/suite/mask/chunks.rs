//! A decoder with a cache sees, chunk by chunk, what it would see of the whole at once.

use super::strategy::{pairs, positioned_mask, square};
use attn_core::AttentionShape;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn chunks_see_their_rows_of_the_whole(
        (whole, mask, cuts) in square().prop_flat_map(|whole| {
            let cuts = proptest::collection::btree_set(1..whole.keys, 0..whole.keys);
            (Just(whole), positioned_mask(whole), cuts)
        }),
    ) {
        let ends = cuts.into_iter().chain([whole.keys]);
        let mut start = 0;
        for end in ends {
            let chunk = AttentionShape { queries: end - start, keys: end, ..whole };
            for [b, h, i, j] in pairs(chunk) {
                prop_assert_eq!(
                    mask.is_visible(&chunk, b, h, i, j),
                    mask.is_visible(&whole, b, h, start + i, j),
                    "{:?}: query {} of {}..{}, key {}", mask, i, start, end, j
                );
            }
            start = end;
        }
    }
}
