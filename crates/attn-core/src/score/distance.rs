//! Distances between queries and keys.

use burn::tensor::Tensor;

/// `|s - h|²` of every pair: `[b, h, q, d]`, `[b, h, k, d]` → `[b, h, q, k]`.
///
/// The differences themselves are built. `|s|² - 2 s · h + |h|²` would need no more memory than a
/// dot product, but of two near points far from 0 it leaves nothing but rounding errors, of either
/// sign.
pub(super) fn squared_distances(s: Tensor<4>, h: Tensor<4>) -> Tensor<4> {
    let s = s.unsqueeze_dim::<5>(3); // [b, h, q, 1, d]
    let h = h.unsqueeze_dim::<5>(2); // [b, h, 1, k, d]
    (s - h).square().sum_dim(4).squeeze_dim(4) // [b, h, q, k]
}
