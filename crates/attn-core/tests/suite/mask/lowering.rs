//! A lowered mask is the same mask, in no more dimensions than it needs.

use super::strategy::{bools, pairs, shaped_mask};
use attn_core::{AttentionShape, Mask};
use burn::tensor::Device;
use proptest::prelude::*;

#[allow(deprecated)] // `Device::ndarray`
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn lowering_is_true_where_visible((shape, mask) in shaped_mask()) {
        let dims = mask.lowered_dims(&shape);
        for device in devices() {
            let lowered = mask.lower(&shape, &device);
            prop_assert_eq!(lowered.dims(), dims);
            let cells: Vec<bool> = lowered.into_data().iter::<bool>().collect();
            for [b, h, i, j] in pairs(shape) {
                let index = [b, h, i, j].into_iter().zip(dims).fold(0, |index, (at, size)| {
                    index * size + if size == 1 { 0 } else { at }
                });
                let visible = mask.is_visible(&shape, b, h, i, j);
                prop_assert_eq!(cells[index], visible, "{:?} at {:?}", mask, [b, h, i, j]);
            }
        }
    }
}

#[test]
fn dims_that_do_not_matter_are_one() {
    let [b, h, q, k] = [2, 3, 5, 7];
    let shape = AttentionShape { batch: b, heads: h, queries: q, keys: k };
    let matrix = |dims: [usize; 4]| Mask::visible(bools(vec![true; dims.iter().product()], dims));
    let cases = [
        (Mask::open(), [1, 1, 1, 1]),
        (Mask::nothing(), [1, 1, 1, 1]),
        (Mask::causal(), [1, 1, q, k]),
        (Mask::window(Some(1), None), [1, 1, q, k]),
        (Mask::dilated(2), [1, 1, q, k]),
        (Mask::padding([4, 6]), [b, 1, 1, k]),
        (Mask::padding([4]), [1, 1, 1, k]),
        (Mask::left_padding([4, 6]), [b, 1, 1, k]),
        (!Mask::left_padding([4, 6]), [b, 1, 1, k]),
        (Mask::prefix([4, 6]), [b, 1, q, k]),
        (Mask::documents(vec![vec![3, 4]]), [1, 1, q, k]),
        (Mask::documents(vec![vec![3, 4], vec![7]]), [b, 1, q, k]),
        (Mask::global(vec![vec![3, 4]]), [1, 1, q, k]),
        (Mask::global(vec![vec![3], vec![]]), [b, 1, q, k]),
        (Mask::local_blocks(4), [1, 1, q, k]),
        (Mask::columns(4, 2), [1, 1, 1, k]),
        (Mask::blocks(4, vec![vec![true; 2]; 2]), [1, 1, q, k]),
        (matrix([1, h, 1, k]), [1, h, 1, k]),
        (matrix([b, 1, q + 4, k + 2]), [b, 1, q, k]),
        (matrix([1, h, q, 1]), [1, h, q, 1]),
        (matrix([1, h, q, 1]) & Mask::padding([4, 6]), [b, h, q, k]),
    ];
    for (mask, dims) in cases {
        assert_eq!(mask.lowered_dims(&shape), dims, "{mask:?}");
    }
}

#[test]
fn shapes_without_pairs_lower_to_tensors_without_elements() {
    let mask = Mask::causal() & Mask::padding([4, 6]);
    for (queries, keys) in [(0, 5), (3, 0)] {
        let shape = AttentionShape { batch: 2, heads: 3, queries, keys };
        assert_eq!(mask.lower(&shape, &Device::flex()).dims(), [2, 1, queries, keys]);
    }
}
