//! Attention itself: score → mask → align → context.
//!
//! The mask meets its shape here, and [`attn_kernels::attention`] does the rest.

use crate::{AttendOptions, AttentionShape, Mask, Sink};
use attn_kernels::Visibility;
use attn_kernels::attention::unfused;
use attn_kernels::attention::{self as kernel, attention, attention_with_lse};
use burn::tensor::{FloatDType, Tensor};
use std::sync::Arc;

/// What [`attend_with_weights`] and [`align`](crate::align) return.
#[derive(Clone, Debug)]
pub struct Attended {
    /// `[batch, heads, queries, value_dim]`
    pub context: Tensor<4>,
    /// `[batch, heads, queries, keys]`, before dropout: each row sums to one, less the weight of a
    /// [`Sink`], or to zero if its query sees no key.
    pub weights: Tensor<4>,
    /// `[batch, heads, queries]`: logarithm of the sum of the exponentials of the visible scores,
    /// and of the sink's logit if there is one; else −∞ for a query that sees no key.
    pub log_sum_exp: Tensor<3>,
}

/// Scaled dot-product attention, `softmax(q·kᵀ / sqrt(d)) · v` (Vaswani et al. 2017, equation 1),
/// under the [law of attention](crate#the-law-of-attention).
///
/// Grouped queries (Ainslie et al. 2023): with fewer key/value heads than query heads, query head
/// `h` reads key/value head `h / (heads / kv_heads)`.
///
/// Fused (Dao et al. 2022; Milakov & Gimelshein 2018): forward and backward, memory grows with
/// queries + keys, not with their product, and tiles that the mask hides are not computed. Nothing is
/// read back from the device. Where the backend has no kernel, tensor operations do the same.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
/// - `value`: `[batch, kv_heads, keys, value_dim]`
/// - result: `[batch, heads, queries, value_dim]`
///
/// # Panics
/// If the shapes do not fit together, those of bias and sink included, the mask's lists or matrices
/// do not fit the shapes, or a soft-cap is not positive.
///
/// ```
/// use attn_core::{AttendOptions, Mask, attend};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let [b, h, q, k, d] = [1, 2, 3, 5, 4];
/// let query = Tensor::<4>::ones([b, h, q, d], &device);
/// let key = Tensor::<4>::ones([b, h, k, d], &device);
/// let value = Tensor::<4>::ones([b, h, k, d], &device);
/// let context = attend(query, key, value, &Mask::causal(), &AttendOptions::default());
/// assert_eq!(context.dims(), [b, h, q, d]);
/// ```
pub fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> Tensor<4> {
    let call = Call::new(&query, &key, mask, options);
    attention(query, key, value, call.bias, call.sink, &call.options)
}

/// [`attend`], and the log-sum-exp of each row, `[batch, heads, queries]`.
///
/// Two attentions over disjoint sets of keys merge exactly with it; and it is what a fused backward
/// pass keeps instead of the weights (Dao et al. 2022, section 3.1).
///
/// # Panics
/// As [`attend`].
pub fn attend_with_lse(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> (Tensor<4>, Tensor<3>) {
    let call = Call::new(&query, &key, mask, options);
    attention_with_lse(query, key, value, call.bias, call.sink, &call.options)
}

/// [`attend`], with the weights and their log-sum-exp.
///
/// The weights are of size queries × keys and are computed apart from the context, so ask for them
/// only where they are looked at.
///
/// # Panics
/// As [`attend`].
pub fn attend_with_weights(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> Attended {
    let Call { bias, sink, options } = Call::new(&query, &key, mask, options);
    let storage = query.dtype();
    // The context is the kernel's: requesting the weights must not change the context.
    let (context, log_sum_exp) =
        attention_with_lse(query.clone(), key.clone(), value, bias.clone(), sink.clone(), &options);
    // Not exp(score - log_sum_exp): these scores come of another product than the kernel's and round
    // otherwise, by some epsilons times their size. A row of large scores would not sum to one, and
    // one of very large ones to nothing or to infinity. By a maximum and a sum of its own each row
    // keeps the law at any scale.
    let softmax = unfused::softmax(query, key, bias, sink, &options);
    let weights = softmax.weights.cast(FloatDType::from(storage));
    Attended { context, weights, log_sum_exp }
}

/// Arguments of a kernel beside queries, keys and values.
pub(crate) struct Call {
    pub(crate) bias: Option<Tensor<4>>,
    pub(crate) sink: Option<Tensor<1>>,
    pub(crate) options: kernel::Options,
}

impl Call {
    pub(crate) fn new(
        query: &Tensor<4>,
        key: &Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> Self {
        let [batch, heads, queries, d] = query.dims();
        let [_, _, keys, _] = key.dims();
        let AttendOptions { scale, softcap, bias, sink, dropout } = options.clone();
        let sink = sink.map(|sink| match sink {
            Sink::Zero => Tensor::zeros([heads], (&query.device(), query.dtype())),
            Sink::Learned(logits) => logits,
        });
        let options = kernel::Options {
            scale: scale.unwrap_or_else(|| 1.0 / (d as f64).sqrt()),
            softcap,
            dropout,
            mask: bind(mask, &AttentionShape { batch, heads, queries, keys }),
        };
        Self { bias, sink, options }
    }
}

/// The mask as a kernel takes it; none where it hides nothing.
pub(crate) fn bind(mask: &Mask, shape: &AttentionShape) -> Option<Arc<dyn Visibility>> {
    if mask.is_open_for(shape) { None } else { Some(Arc::new(mask.bind(shape))) }
}
