//! Attention pooling: a sequence of states becomes one vector, or a few.
//!
//! | pooling | energies | paper |
//! |---|---|---|
//! | [`AttentionPooling`] | `tanh(w · x_t + b)` | Raffel & Ellis 2016 |
//! | [`ContextPooling`] | `u · tanh(W x_t + b)` | Yang et al. 2016, equations 5–7 |
//! | [`SelfAttentive`] | `W_s2 tanh(W_s1 x_t)`, several hops | Lin et al. 2017, equations 5–7 |
//!
//! There is no query; the energies have learned weights only. They become weights of the steps by
//! softmax, and the vector is the average of the states with these. Time and memory `steps` per vector.
//!
//! The [law](crate#the-law-of-attention) holds: of padded batches, [`Mask::padding`] tells the
//! lengths; what padding holds does not matter, not even NaN; a row of nothing but padding gives 0.

mod attention_pooling;
mod context_pooling;
mod error;
mod self_attentive;

pub use attention_pooling::{AttentionPooling, AttentionPoolingConfig};
pub use context_pooling::{ContextPooling, ContextPoolingConfig};
pub use error::PoolingError;
pub use self_attentive::{PooledHops, SelfAttentive, SelfAttentiveConfig};

use crate::alignment::{Past, SoftmaxConfig, weigh};
use crate::attend::bind;
use crate::mechanism::finite_rows;
use crate::{AttentionShape, Mask};
use attn_kernels::attention::unfused::{VisiblePairs, empty_attention};
use burn::tensor::{Bool, Tensor};

/// One vector for each row of a batch.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// `[batch, d]`
    pub vector: Tensor<2>,
    /// `[batch, steps]`: each row sums to 1, or to 0 if it is all padding.
    pub weights: Tensor<2>,
}

/// # Panics
/// If the steps are not `expected` wide.
#[track_caller]
fn assert_width(pooling: &str, x: &Tensor<3>, expected: usize) {
    let [.., found] = x.dims();
    assert_eq!(
        found,
        expected,
        "{pooling} pooling: steps {:?} have width {found}, expected {expected}",
        x.dims()
    );
}

/// Vectors `[batch, hops, d]` and weights `[batch, hops, steps]` of the steps `[batch, steps, d]`,
/// by the energies `[batch, steps, hops]` that `energies` computes of steps that are finite.
///
/// Hops are heads of one query each, which share their keys and values.
fn pool(
    x: Tensor<3>,
    hops: usize,
    mask: &Mask,
    energies: impl FnOnce(Tensor<3>) -> Tensor<3>,
) -> (Tensor<3>, Tensor<3>) {
    let [batch, steps, d] = x.dims();
    let shape = AttentionShape { batch, heads: hops, queries: 1, keys: steps };
    let dims = [batch, hops, 1, steps];
    let value = x.unsqueeze_dim::<4>(1); // [b, 1, t, d]
    let bound = bind(mask, &shape);
    if dims.contains(&0) {
        let rows = Tensor::zeros([batch, hops, 1, 1], (&value.device(), value.dtype()));
        let (vectors, softmax) = empty_attention(rows, steps, d, None);
        return (vectors.squeeze_dim(2), softmax.weights.squeeze_dim(2));
    }
    let (finite, broken) = finite_rows(value.clone());
    let scores = energies(finite.squeeze_dim(1)).swap_dims(1, 2).unsqueeze_dim::<4>(2); // [b, r, 1, t]
    let broken: Tensor<4, Bool> = broken.swap_dims(2, 3).expand(dims);
    let scores = scores.mask_fill(broken, f32::NAN);

    let softmax = SoftmaxConfig::new().init(&value.device());
    let weights = weigh(&softmax, scores, None, mask, &Past::start()).weights;
    let visible = VisiblePairs::new(bound.as_deref(), dims, &value.device());
    let vectors = visible.weighted_sum(weights.clone(), value, None); // [b, r, 1, d]
    (vectors.squeeze_dim(2), weights.squeeze_dim(2))
}

/// [`pool`] with one hop.
fn pool_once(x: Tensor<3>, mask: &Mask, energies: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Pooled {
    let (vectors, weights) = pool(x, 1, mask, energies);
    Pooled { vector: vectors.squeeze_dim(1), weights: weights.squeeze_dim(1) }
}
