//! Every kind, drawn by hand: square, and with more queries than keys.

use super::strategy::bools;
use attn_core::{AttentionShape, Mask};

#[track_caller]
fn assert_art(mask: &Mask, queries: usize, keys: usize, expected: &[&str]) {
    let shape = AttentionShape { batch: 1, heads: 1, queries, keys };
    let art = mask.art(&shape).to_string();
    assert_eq!(art.lines().collect::<Vec<_>>(), expected, "{mask:?}");
}

#[test]
fn square_art() {
    let draw = |mask: Mask, expected: &[&str]| assert_art(&mask, 4, 4, expected);
    draw(Mask::open(), &["■■■■", "■■■■", "■■■■", "■■■■"]);
    draw(Mask::nothing(), &["····", "····", "····", "····"]);
    draw(Mask::causal(), &["■···", "■■··", "■■■·", "■■■■"]);
    draw(Mask::window(Some(1), Some(0)), &["■···", "■■··", "·■■·", "··■■"]);
    draw(Mask::window(Some(0), None), &["■■■■", "·■■■", "··■■", "···■"]);
    draw(Mask::prefix([2]), &["■■··", "■■··", "■■■·", "■■■■"]);
    draw(Mask::dilated(3), &["■··■", "·■··", "··■·", "■··■"]);
    draw(Mask::padding([3]), &["■■■·", "■■■·", "■■■·", "■■■·"]);
    draw(Mask::left_padding([3]), &["···■", "···■", "···■", "···■"]);
    draw(Mask::documents(vec![vec![1, 2]]), &["■···", "·■■·", "·■■·", "····"]);
    let grid = vec![vec![false, true], vec![true, false]];
    draw(Mask::blocks(2, grid), &["··■■", "··■■", "■■··", "■■··"]);
    draw(Mask::global(vec![vec![1]]), &["·■··", "■■■■", "·■··", "·■··"]);
    draw(Mask::local_blocks(3), &["■■■·", "■■■·", "■■■·", "···■"]);
    draw(Mask::columns(3, 2), &["·■■·", "·■■·", "·■■·", "·■■·"]);
    draw(!Mask::causal(), &["·■■■", "··■■", "···■", "····"]);
}

#[test]
fn art_where_queries_outnumber_keys() {
    let draw = |mask: Mask, expected: &[&str]| assert_art(&mask, 5, 3, expected);
    draw(Mask::causal(), &["···", "···", "■··", "■■·", "■■■"]);
    draw(Mask::window(Some(0), Some(1)), &["···", "■··", "■■·", "·■■", "··■"]);
    draw(Mask::window(Some(0), None), &["■■■", "■■■", "■■■", "·■■", "··■"]);
    draw(Mask::prefix([1]), &["■··", "■··", "■··", "■■·", "■■■"]);
    draw(Mask::dilated(2), &["■·■", "·■·", "■·■", "·■·", "■·■"]);
    draw(Mask::padding([2]), &["■■·", "■■·", "■■·", "■■·", "■■·"]);
    draw(Mask::documents(vec![vec![2, 1]]), &["···", "···", "■■·", "■■·", "··■"]);
    draw(Mask::global(vec![vec![2, 0]]), &["■·■", "■·■", "■■■", "■·■", "■■■"]);
    draw(Mask::local_blocks(2), &["···", "···", "■■·", "■■·", "··■"]);
    draw(Mask::columns(2, 1), &["·■·", "·■·", "·■·", "·■·", "·■·"]);
    let grid = vec![vec![true, false], vec![false, true], vec![true, true]];
    draw(Mask::blocks(2, grid), &["■■·", "■■·", "··■", "··■", "■■■"]);
}

#[test]
fn expressions() {
    let long: Vec<usize> = (10..20).collect();
    let matrix = bools(vec![true; 6], [1, 1, 2, 3]);
    let cases = [
        (Mask::window(Some(3), None), "window(left 3)"),
        (Mask::window(None, Some(2)), "window(right 2)"),
        (Mask::padding([5, 3]), "padding(5, 3)"),
        (Mask::left_padding(long), "left_padding(10, 11, 12, 13, 14, 15, 16, 17, … 10 in all)"),
        (Mask::documents(vec![vec![3, 4], vec![7]]), "documents(3 + 4, 7)"),
        (Mask::global(vec![vec![4, 3, 4], vec![0]]), "global(3 + 4, 0)"),
        (Mask::local_blocks(16), "local_blocks(16)"),
        (Mask::columns(16, 3), "columns(3 of 16)"),
        (Mask::blocks(16, vec![vec![true; 3]; 2]), "blocks(2 × 3 of size 16)"),
        (Mask::visible(matrix), "explicit([1, 1, 2, 3])"),
        (
            !(Mask::causal() & Mask::dilated(2)) | Mask::window(Some(1), Some(0)),
            "!(causal & dilated(2)) | window(left 1, right 0)",
        ),
        (Mask::prefix([3]) & !Mask::padding([1]), "(causal | padding(3)) & !padding(1)"),
    ];
    for (mask, expression) in cases {
        assert_eq!(format!("{mask:?}"), expression);
    }
}

#[test]
fn a_printed_mask_has_the_size_of_its_matrix() {
    let matrix = Mask::visible(bools([true, false, true].repeat(2), [1, 1, 2, 3]));
    assert_eq!(
        (Mask::causal() & matrix).to_string(),
        "causal & explicit([1, 1, 2, 3])\n■··\n■·■\n"
    );
    let lists = Mask::padding([4, 9]);
    assert_eq!(lists.to_string(), format!("padding(4, 9)\n{}", "■■■■····\n".repeat(8)));
}

#[test]
fn a_large_printed_mask_is_cut() {
    let printed = Mask::blocks(20, vec![vec![true; 2]; 2]).to_string();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 1 + 32 + 1);
    assert_eq!(lines[1], format!("{}…", "■".repeat(32)));
    assert_eq!(lines[33], "…");
}

#[test]
fn parts_for_different_shapes_print_without_a_picture() {
    assert_eq!(
        (Mask::padding([1, 2]) | Mask::padding([1, 2, 3])).to_string(),
        "padding(1, 2) | padding(1, 2, 3)"
    );
}
