//! The file format: a mask survives it, and what is no mask is an error that says why.

use super::strategy::{bools, shaped_mask};
use attn_core::Mask;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_mask_survives_its_file((_, mask) in shaped_mask()) {
        let json = serde_json::to_string(&mask).unwrap();
        prop_assert_eq!(serde_json::from_str::<Mask>(&json).unwrap(), mask);
    }
}

/// Written files are read for ever: these lines only grow in number.
#[test]
fn the_format_is_stable() {
    let matrix = bools(vec![true, true, false, false, true, true], [1, 2, 1, 3]);
    let cases = [
        (Mask::open(), r#""open""#),
        (Mask::nothing(), r#""nothing""#),
        (Mask::causal(), r#""causal""#),
        (Mask::window(Some(3), None), r#"{"window":{"left":3,"right":null}}"#),
        (Mask::dilated(2), r#"{"dilated":2}"#),
        (Mask::padding([5, 3]), r#"{"padding":[5,3]}"#),
        (Mask::left_padding([0, 2]), r#"{"left_padding":[0,2]}"#),
        (Mask::prefix([4]), r#"{"or":["causal",{"padding":[4]}]}"#),
        (Mask::documents(vec![vec![3, 0, 4], vec![]]), r#"{"documents":[[3,0,4],[]]}"#),
        (Mask::global(vec![vec![0, 7], vec![]]), r#"{"global":[[0,7],[]]}"#),
        (Mask::local_blocks(16), r#"{"local_blocks":16}"#),
        (Mask::columns(16, 3), r#"{"columns":{"step":16,"width":3}}"#),
        (
            Mask::blocks(16, vec![vec![true, false], vec![true, true]]),
            r#"{"blocks":{"size":16,"rows":["10","11"]}}"#,
        ),
        (Mask::visible(matrix), r#"{"explicit":{"dims":[1,2,1,3],"rows":["110","011"]}}"#),
        (!Mask::causal(), r#"{"not":"causal"}"#),
        (Mask::causal() & Mask::padding([5]), r#"{"and":["causal",{"padding":[5]}]}"#),
    ];
    for (mask, json) in cases {
        assert_eq!(serde_json::to_string(&mask).unwrap(), json);
        assert_eq!(serde_json::from_str::<Mask>(json).unwrap(), mask);
    }
}

#[test]
fn nonsense_is_an_error_that_says_why() {
    let cases = [
        (r#""casual""#, "unknown variant `casual`"),
        (r#"{"window":{"lft":3}}"#, "unknown field `lft`"),
        (r#"{"window":{"left":-1,"right":0}}"#, "invalid value: integer `-1`"),
        (r#"{"dilated":0}"#, "expected a nonzero usize"),
        (r#"{"padding":[1.5]}"#, "invalid type: floating point `1.5`"),
        (r#"{"documents":[[1,18446744073709551615]]}"#, "length 18446744073709551615"),
        (r#"{"global":[0,1]}"#, "expected a sequence"),
        (r#"{"local_blocks":0}"#, "expected a nonzero usize"),
        (r#"{"columns":{"step":0,"width":0}}"#, "0 columns of every 0"),
        (r#"{"columns":{"step":4,"width":5}}"#, "5 columns of every 4, needs from 1 to 4"),
        (r#"{"columns":{"step":4,"wdth":5}}"#, "unknown field `wdth`"),
        (r#"{"blocks":{"size":0,"rows":["1"]}}"#, "blocks of size 0"),
        (r#"{"blocks":{"size":2,"rows":["10","1"]}}"#, "row 1 has 1 cells, needs 2"),
        (r#"{"blocks":{"size":2,"rows":["1é"]}}"#, "row 0 has the symbol 'é'"),
        (r#"{"blocks":{"size":9223372036854775807,"rows":["111"]}}"#, "1 × 3 blocks of size"),
        (r#"{"blocks":{"size":4611686018427387904,"rows":["111"]}}"#, "1 × 3 blocks of size"),
        (r#"{"explicit":{"dims":[1,1,2,3],"rows":["110"]}}"#, "1 rows of cells"),
        (r#"{"explicit":{"dims":[1,1,2,3],"rows":["110","11"]}}"#, "row 1 has 2 cells, needs 3"),
        (r#"{"explicit":{"dims":[1,1,1,3],"rows":["1x0"]}}"#, "row 0 has the symbol 'x'"),
        (
            r#"{"explicit":{"dims":[4294967296,4294967296,2,3],"rows":["110"]}}"#,
            "dims [4294967296, 4294967296, 2, 3] need 4294967296 · 4294967296 · 2",
        ),
        (r#"{"and":[]}"#, "a combination of 0 masks"),
        (r#"{"or":["causal"]}"#, "a combination of 1 masks"),
        (r#"{"not":{"dilated":0}}"#, "expected a nonzero usize"),
    ];
    for (json, why) in cases {
        let error = serde_json::from_str::<Mask>(json).unwrap_err().to_string();
        assert!(error.contains(why), "{json}: {error}");
    }
}

#[test]
fn global_positions_are_a_set() {
    let read: Mask = serde_json::from_str(r#"{"global":[[7,0,7]]}"#).unwrap();
    assert_eq!(read, Mask::global(vec![vec![0, 7]]));
}
