//! Mechanisms: whole attentions, from queries, keys and values to contexts, chosen by name.
//!
//! | mechanism | time | memory | what it gives up | paper |
//! |---|---|---|---|---|
//! | [`Attention`]: any [score](crate::score), any [alignment](crate::alignment) | `q · k` | `q · k`; `q + k` for (scaled) dot and softmax | nothing | Luong et al. 2015 |
//! | [`LinearAttention`] | `(q + k) · d` | `q + k` | softmax: no weight stands out | Katharopoulos et al. 2020 |
//! | [`Performer`] | `(q + k) · m` | `q + k` | exactness: an estimate of softmax by `m` random features | Choromanski et al. 2021 |
//! | [`Linformer`] | `(q + k) · p` | `(q + k) · p` | lengths beyond a maximum; masks but of keys | Wang et al. 2020 |
//! | [`Lsh`] | `rounds · k · (chunk + log k)` | `rounds · k · chunk` | pairs that hash apart; `q ≠ k` | Kitaev et al. 2020 |
//! | [`Retention`] | `(q + k) · d` | `q + k` | softmax; a fixed decay forgets | Sun et al. 2023 |
//! | [`GatedDelta`] | `(q + k) · d` | `q + k` | softmax; what is written is overwritten; masks but causal and of keys | Yang et al. 2024 |
//!
//! Time and memory that are not `q · k` are those under a mask that is causal, of keys, or both.
//! [`LinearAttention`], [`Performer`], [`Retention`] and [`Lsh`] take any other mask too, at `q · k`.
//!
//! Time is that of the forward pass. In the backward pass of what goes through the keys chunk by chunk,
//! the gradient of each chunk is as large as the whole, as burn 0.22 has it for a slice: beyond some
//! thousand keys its time grows faster than this. The book's chapter has the measured growth.
//!
//! Which pairs a mechanism considers is the business of a [`Mask`]; windows, blocks and global tokens
//! are values of it.

mod any;
mod attention;
mod error;
mod finite;
mod fit;
mod gated_delta;
mod inputs;
mod kernelised;
mod linear;
mod linformer;
mod lsh;
mod normals;
mod performer;
mod retention;

pub use any::{AnyMechanism, MechanismConfig};
pub use attention::{Attention, AttentionConfig, Memory, Reading};
pub use error::MechanismError;
pub(crate) use finite::finite_rows;
pub use gated_delta::{Gate, GatedDelta, GatedDeltaConfig, GatedDeltaState};
pub use kernelised::{FeatureMap, Features, LinearState, kernelised};
pub use linear::{LinearAttention, LinearAttentionConfig};
pub use linformer::{Linformer, LinformerConfig, LinformerSharing};
pub use lsh::{Lsh, LshConfig};
pub use performer::{Performer, PerformerConfig};
pub use retention::{Retention, RetentionConfig, RetentionState};

use crate::Mask;
use burn::tensor::{FloatDType, Tensor};

/// An attention: queries, keys and values in, contexts out.
pub trait Mechanism {
    /// The context of each query, under the [law](crate#the-law-of-attention).
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - `value`: `[batch, kv_heads, keys, value_dim]`
    /// - result: `[batch, heads, queries, value_dim]`
    ///
    /// # Panics
    /// If the shapes do not fit together, or the mask or the mechanism does not fit them.
    fn forward(&self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: &Mask)
    -> Tensor<4>;

    /// How much of each value is in each context, `[batch, heads, queries, keys]`: what the
    /// mechanism makes of values that are the rows of an identity matrix, of size queries × keys
    /// whatever the mechanism saves. For pictures and tests; may be negative where the mechanism
    /// is no average.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn weights(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask) -> Tensor<4> {
        let [b, g, k, _] = key.dims();
        let options = (&key.device(), key.dtype());
        let value = if k == 0 {
            Tensor::zeros([b, g, k, k], options)
        } else {
            let identity = Tensor::<2>::eye(k, options.0).cast(FloatDType::from(options.1));
            identity.reshape([1, 1, k, k]).expand([b, g, k, k])
        };
        self.forward(query, key, value, mask)
    }
}
