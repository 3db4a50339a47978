//! Scaled dot-product attention (Vaswani et al. 2017, equation 1), fused and differentiable.
//!
//! ```text
//! s_j = c · tanh(scale · (q · k_j) / c) + bias_j          over the visible keys j of a query
//! Z   = Σ_j exp(s_j) + exp(sink)                          log-sum-exp: ln Z
//! context = Σ_j f_j · exp(s_j) / Z · v_j                  dropout: f_j is 0 or 1 / (1 - prob)
//! ```

mod autodiff;
mod fallback;
mod ops;
mod precision;
mod sizes;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod slices;
mod tensors;
pub mod twin;
pub mod unfused;

use crate::maybe::Maybe;
use burn::backend::{Dispatch, DispatchTensorKind};
use burn::tensor::Tensor;
use ops::AttentionOps;
use tensors::Inputs;

pub use crate::parameters::Options;

/// The context of each query: the average of the values that it sees, weighted by the softmax of
/// its scores.
///
/// Differentiable once in every tensor, on every backend. Training keeps the context and one number
/// for each query; nothing of size queries × keys lives longer than this call, and where the backend
/// has a kernel ([list](crate#backends)), none exists at all. [`twin`] says what is computed.
///
/// Grouped queries (Ainslie et al. 2023): with fewer key/value heads than query heads, query head
/// `h` reads key/value head `h / (heads / kv_heads)`.
///
/// A `sink` is a logit for each head that takes part in the normalizer and has the value zero, so a
/// query need not attend to anything (Xiao et al. 2023; learned, as in gpt-oss). One of −∞ is none.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
/// - `value`: `[batch, kv_heads, keys, value_dim]`
/// - `bias`: `[batch | 1, heads | 1, queries | 1, keys | 1]`
/// - `sink`: `[heads]`
/// - result: `[batch, heads, queries, value_dim]`, of the type of `query`
///
/// There may be no keys, queries or batch rows.
///
/// # Panics
/// If the shapes do not fit together, a head has the width zero, the mask does not fit the shapes, or
/// a soft-cap is not positive.
///
/// ```
/// use attn_kernels::attention::{Options, attention};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let [b, h, g, q, k, d] = [1, 4, 2, 3, 5, 8];
/// let query = Tensor::<4>::ones([b, h, q, d], &device);
/// let key = Tensor::<4>::ones([b, g, k, d], &device);
/// let value = Tensor::<4>::ones([b, g, k, d], &device);
/// let options = Options::new(1.0 / (d as f64).sqrt());
/// let context = attention(query, key, value, None, None, &options);
/// assert_eq!(context.dims(), [b, h, q, d]);
/// ```
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
    options: &Options,
) -> Tensor<4> {
    sizes::check(&query, &key, &value, bias.as_ref(), sink.as_ref(), options);
    let inputs = into_dispatch(query, key, value, bias, sink);
    if !has_operation(&inputs.query.kind) {
        let (query, key, value, bias, sink) = from_dispatch(inputs);
        return twin::attention(query, key, value, bias, sink, options).0;
    }
    let (context, _) = <Dispatch as AttentionOps>::attention(inputs, options.clone());
    Tensor::from_dispatch(context)
}

/// [`attention`], and the log-sum-exp of the scores of each query, `[batch, heads, queries]`: −∞ for
/// a query that sees no key, unless there is a sink.
///
/// The log-sum-exp is differentiable too; a loss that uses it pays for a second backward pass over
/// the scores. Two attentions over disjoint sets of keys merge exactly with it. It is in f32 where
/// `query` is narrower.
///
/// # Panics
/// As [`attention`].
pub fn attention_with_lse(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
    options: &Options,
) -> (Tensor<4>, Tensor<3>) {
    sizes::check(&query, &key, &value, bias.as_ref(), sink.as_ref(), options);
    let inputs = into_dispatch(query, key, value, bias, sink);
    if !has_operation(&inputs.query.kind) {
        let (query, key, value, bias, sink) = from_dispatch(inputs);
        return twin::attention(query, key, value, bias, sink, options);
    }
    let (context, statistics) =
        <Dispatch as AttentionOps>::attention(inputs.clone(), options.clone());
    let log_sum_exp = <Dispatch as AttentionOps>::attention_log_sum_exp(
        inputs,
        context.clone(),
        statistics,
        options.clone(),
    );
    (Tensor::from_dispatch(context), Tensor::from_dispatch(log_sum_exp))
}

/// Whether [`AttentionOps`] speaks of the backend of a tensor. burn may hold backends that this
/// crate was not told about: by a feature of burn itself, or ones that it has no feature for.
fn has_operation(kind: &DispatchTensorKind) -> bool {
    match kind {
        #[cfg(feature = "ndarray")]
        DispatchTensorKind::NdArray(_) => true,
        #[cfg(feature = "flex")]
        DispatchTensorKind::Flex(_) => true,
        #[cfg(any(
            feature = "wgpu",
            feature = "vulkan",
            feature = "metal",
            feature = "webgpu",
            feature = "cuda",
            feature = "rocm",
            feature = "cpu"
        ))]
        DispatchTensorKind::Cube(_) => true,
        #[cfg(feature = "remote")]
        DispatchTensorKind::Remote(_) => true,
        DispatchTensorKind::Autodiff(inner) => has_operation(inner),
        #[allow(unreachable_patterns)]
        _ => false,
    }
}

fn into_dispatch(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    sink: Option<Tensor<1>>,
) -> Inputs<Dispatch> {
    Inputs {
        query: query.into_dispatch(),
        key: key.into_dispatch(),
        value: value.into_dispatch(),
        bias: Maybe::from_option(bias.map(Tensor::into_dispatch)),
        sink: Maybe::from_option(sink.map(Tensor::into_dispatch)),
    }
}

type Tensors = (Tensor<4>, Tensor<4>, Tensor<4>, Option<Tensor<4>>, Option<Tensor<1>>);

fn from_dispatch(inputs: Inputs<Dispatch>) -> Tensors {
    let Inputs { query, key, value, bias, sink } = inputs;
    (
        Tensor::from_dispatch(query),
        Tensor::from_dispatch(key),
        Tensor::from_dispatch(value),
        bias.into_option().map(Tensor::from_dispatch),
        sink.into_option().map(Tensor::from_dispatch),
    )
}
