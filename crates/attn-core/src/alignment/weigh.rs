//! The law of attention around any alignment.

use super::{Aligned, Alignment, Draw, Past, Scores};
use crate::half::at_least_f32;
use crate::{AttentionShape, Mask};
use burn::tensor::{Bool, FloatDType, Tensor};

/// The weights that an alignment gives to scores of any origin, under a mask and the
/// [law](crate#the-law-of-attention).
///
/// `query` are the queries that were scored, for alignments that depend on them, and `past` the steps
/// before them. Half-precision scores are aligned in f32.
///
/// # Shapes
/// - `scores` and weights: `[batch, heads, queries, keys]`
/// - `query`: `[batch, heads, queries, width]`
///
/// # Panics
/// If the mask does not fit the shape, or the alignment neither the shape nor the queries.
pub fn weigh(
    alignment: &dyn Alignment,
    scores: Tensor<4>,
    query: Option<&Tensor<4>>,
    mask: &Mask,
    past: &Past,
) -> Aligned {
    let dims = scores.dims();
    let [batch, heads, queries, keys] = dims;
    let shape = AttentionShape { batch, heads, queries, keys };
    let plain = scores.device().without_autodiff();
    let visible = (!mask.is_open_for(&shape)).then(|| mask.lower(&shape, &plain).expand(dims));
    weigh_visible(alignment, scores, query, visible, past, 0)
}

/// [`weigh`] with a mask that has been lowered, `[batch, heads, queries, keys]`, to what is visible, of
/// queries that `behind` others of the same call follow.
pub(crate) fn weigh_visible(
    alignment: &dyn Alignment,
    scores: Tensor<4>,
    query: Option<&Tensor<4>>,
    visible: Option<Tensor<4, Bool>>,
    past: &Past,
    behind: usize,
) -> Aligned {
    let storage = scores.dtype();
    let values = at_least_f32(scores);
    let dims = values.dims();
    if dims.contains(&0) {
        return Aligned::new(values.cast(FloatDType::from(storage)));
    }

    // What is hidden is selected away before anything is computed, and what is visible and not
    // finite is put back afterwards: so no alignment meets a NaN, nor does its gradient.
    let broken = values.clone().detach().is_finite().bool_not();
    let unusable = match &visible {
        None => broken.clone(),
        Some(visible) => broken.clone().bool_or(visible.clone().bool_not()),
    };
    let broken = match &visible {
        None => broken,
        Some(visible) => broken.bool_and(visible.clone()),
    };
    let broken_rows = broken.any_dim(3); // [b, h, q, 1]
    let values = values.mask_fill(unusable, 0.0);

    let scores = Scores { values, visible, query, past, behind };
    let Aligned { weights, carry, draw } = alignment.align(&scores);
    let weights = scores.only_visible(weights);
    let poison = broken_rows.clone().expand(dims);
    let poison = match &scores.visible {
        None => poison,
        Some(visible) => poison.bool_and(visible.clone()),
    };
    let weights = weights.mask_fill(poison, f32::NAN);
    Aligned {
        weights: weights.cast(FloatDType::from(storage)),
        carry,
        draw: draw.map(|draw| of_seeing_rows(draw, scores.visible.as_ref(), &broken_rows)),
    }
}

/// Nothing is drawn where no key is visible.
fn of_seeing_rows(draw: Draw, visible: Option<&Tensor<4, Bool>>, broken: &Tensor<4, Bool>) -> Draw {
    let [b, h, q, _] = broken.dims();
    let broken = broken.clone().reshape([b, h, q]);
    let blind = visible.map(|visible| visible.clone().any_dim(3).bool_not().reshape([b, h, q]));
    let law = |tensor: Tensor<3>| {
        let tensor = match &blind {
            None => tensor,
            Some(blind) => tensor.mask_fill(blind.clone(), 0.0),
        };
        tensor.mask_fill(broken.clone(), f32::NAN)
    };
    Draw { log_prob: law(draw.log_prob), entropy: law(draw.entropy) }
}
