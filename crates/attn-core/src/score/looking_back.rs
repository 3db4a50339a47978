//! What the additive scores that look back share.

use crate::alignment::Past;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::{additive::energy, grouped};

/// Checks that there is one next query, and that the past is of its shape.
///
/// # Panics
/// If not.
#[track_caller]
pub(super) fn assert_follows(
    score: &str,
    query: &Tensor<4>,
    key: &Tensor<4>,
    past: &Past,
    of_past: &Tensor<3>,
) {
    let [batch, heads, queries, _] = query.dims();
    let keys = key.dims()[2];
    assert_eq!(
        queries, 1,
        "{score} score: {queries} queries at once after {} steps, expected 1",
        past.steps
    );
    assert_eq!(
        of_past.dims(),
        [batch, heads, keys],
        "{score} score: a past of {:?}, expected {:?}",
        of_past.dims(),
        [batch, heads, keys]
    );
}

/// `v · tanh(ws + uh + f)` of every pair, where `f` is a feature of a head's keys. The sum `uh + f`,
/// `[batch, heads, keys, a]`, is in memory.
///
/// # Shapes
/// - `ws`: `[batch, heads, 1, a]`
/// - `uh`: `[batch, kv_heads, keys, a]`
/// - `feature`: `[batch, heads, keys, a]`
/// - result: `[batch, heads, 1, keys]`
///
/// # Panics
/// If the batches differ or the heads do not split evenly.
pub(super) fn energy_with(
    v: &Linear,
    ws: Tensor<4>,
    uh: Tensor<4>,
    feature: Tensor<4>,
) -> Tensor<4> {
    grouped(ws, uh, |ws, uh| {
        let [b, g, rows, a] = ws.dims();
        let keys = uh.dims()[2];
        let feature = feature.reshape([b, g, rows, keys, a]);
        let uh = uh.unsqueeze_dim::<5>(2) + feature; // [b, g, rows, k, a]
        // The one query of a head has keys of its own now.
        let ws = ws.reshape([b, g * rows, 1, a]);
        energy(v, ws, uh.reshape([b, g * rows, keys, a])).reshape([b, g, rows, keys])
    })
}
