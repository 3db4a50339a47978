//! Attention as an operation of a backend.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use super::fallback;
use super::tensors::{Gradients, Inputs};
use crate::maybe::Maybe;
use crate::parameters::Options;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, backend_extension};
use burn::tensor::Slice;

/// Attention as an operation of a backend; the default bodies compose ordinary operations.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "webgpu",
                  feature = "cuda", feature = "rocm", feature = "cpu")),
    Remote: cfg(feature = "remote"),
    Autodiff
)]
pub trait AttentionOps: Backend {
    /// Context `[batch, heads, queries, value_dim]` and statistics `[2, batch, heads, queries]`: the
    /// log-sum-exp, and what rounding has left of it. Without that, weights that are computed again
    /// from a log-sum-exp `L` would be wrong by half an epsilon times `|L|`, all of a row alike.
    ///
    /// On autodiff the context is differentiable, the statistics are constants: a node of burn's
    /// graph has one output.
    fn attention(
        #[extension_type] inputs: Inputs<Self>,
        options: Options,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fallback::forward::<Self>(inputs, &options)
    }

    /// The log-sum-exp `[batch, heads, queries]` of the statistics that
    /// [`attention`](Self::attention) returned, differentiable in the inputs.
    fn attention_log_sum_exp(
        #[extension_type] inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        options: Options,
    ) -> FloatTensor<Self> {
        let _ = (inputs, context, options);
        let [_, batch, heads, queries] = statistics.shape().dims();
        let log_sum_exp = Self::float_slice(statistics, &[Slice::from(0..1)]);
        Self::float_reshape(log_sum_exp, [batch, heads, queries].into())
    }

    /// Gradients of the inputs, from the gradients of context and log-sum-exp; the bias's only if
    /// `bias_gradient`, for it may be as large as the scores.
    fn attention_backward(
        #[extension_type] inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        #[extension_type] grad_context: Maybe<Self>,
        #[extension_type] grad_log_sum_exp: Maybe<Self>,
        bias_gradient: bool,
        options: Options,
    ) -> Gradients<Self> {
        let saved = fallback::Saved { context, statistics, grad_context, grad_log_sum_exp };
        fallback::backward::<Self>(inputs, saved, bias_gradient, &options)
    }
}

// With burn's `fusion` this is `Fusion<_>`, whose operations the default bodies call.
#[cfg(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu",
    feature = "cuda",
    feature = "rocm",
    feature = "cpu"
))]
impl AttentionOps for burn::backend::Cube {}

#[cfg(feature = "remote")]
impl AttentionOps for burn::backend::Remote {}
