//! Alignment: scores of any origin → weights → context, in ordinary tensor operations of size
//! queries × keys.

use crate::attend::bind;
use crate::{Attended, AttentionShape, DropoutMask, Mask};
use attn_kernels::attention::unfused::{Softmax, VisiblePairs, empty_attention};
use burn::tensor::Tensor;

/// Alignment of scores of any origin: masks them, turns each row into weights by softmax, and
/// averages the values with these.
///
/// With a [`Score`](crate::Score), this is attention in the general form of Luong et al. (2015),
/// equations 7–8.
///
/// # Shapes
/// - `scores`: `[batch, heads, queries, keys]`
/// - `value`: `[batch, kv_heads, keys, value_dim]`
///
/// # Panics
/// If the shapes do not fit together or the mask does not fit them.
pub fn align(
    scores: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    dropout: Option<DropoutMask>,
) -> Attended {
    let [batch, heads, queries, keys] = scores.dims();
    let kv_heads = value.dims()[1];
    assert_eq!(
        [value.dims()[0], value.dims()[2]],
        [batch, keys],
        "value {:?} does not fit scores {:?}: batch and keys must agree",
        value.dims(),
        scores.dims()
    );
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads do not split evenly over {kv_heads} key/value heads"
    );
    let pairs = [batch, heads, queries, keys];
    let mask = bind(mask, &AttentionShape { batch, heads, queries, keys });
    if pairs.contains(&0) {
        let [.., value_dim] = value.dims();
        let rows = Tensor::zeros([batch, heads, queries, 1], (&scores.device(), scores.dtype()));
        return attended(empty_attention(rows, keys, value_dim, None));
    }
    let visible = VisiblePairs::new(mask.as_deref(), pairs, &scores.device());
    let softmax = visible.softmax(scores, None);
    attended((visible.weighted_sum(softmax.weights.clone(), value, dropout), softmax))
}

fn attended((context, softmax): (Tensor<4>, Softmax)) -> Attended {
    Attended { context, weights: softmax.weights.clone(), log_sum_exp: softmax.log_sum_exp() }
}
