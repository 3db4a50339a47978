//! What is not a number in queries, keys and values, kept from those that do not see it.

use burn::tensor::{Bool, Int, Tensor};

/// The rows `[b, h, n, d]` with 0 for what is NaN or infinite, and which rows held such,
/// `[b, h, n, 1]`.
///
/// To hide a score is not enough: the gradient of a product multiplies a hidden pair's zero with the
/// operand, and 0 · NaN is NaN.
pub(crate) fn finite_rows(rows: Tensor<4>) -> (Tensor<4>, Tensor<4, Bool>) {
    let broken = rows.clone().detach().is_finite().bool_not();
    (rows.mask_fill(broken.clone(), 0.0), broken.any_dim(3))
}

/// Key rows as columns, for each query head of a group: `[b, g, k, 1]` → `[b, g · group, 1, k]`.
pub(crate) fn columns_of_heads(rows: Tensor<4, Bool>, group: usize) -> Tensor<4, Bool> {
    let [b, g, k, _] = rows.dims();
    let columns = rows.reshape([b, g, 1, 1, k]).expand([b, g, group, 1, k]);
    columns.reshape([b, g * group, 1, k])
}

/// Batch rows in a new order. As ints: burn-flex selects from booleans what are none afterwards.
pub(crate) fn select_rows(marks: Tensor<4, Bool>, rows: &Tensor<1, Int>) -> Tensor<4, Bool> {
    marks.int().select(0, rows.clone()).equal_elem(1)
}
