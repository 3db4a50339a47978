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
//! Time is that of the forward pass. The backward pass of what goes through the keys chunk by chunk takes
//! `log(k / chunk)` times as long, as the gradient of a slice is as large as what it was cut from, and chunks
//! are cut by halves.
//!
//! What [`Stepwise`] mechanisms keep of the steps before, in decoding, does not grow with their number for
//! [`LinearAttention`], [`Performer`], [`Retention`] and [`GatedDelta`].
//!
//! Which pairs a mechanism considers is the business of a [`Mask`]; windows, blocks and global tokens
//! are values of it.

mod any;
mod any_state;
mod attention;
mod error;
mod finite;
mod fit;
mod gated_delta;
mod inputs;
mod kernelized;
mod key_values;
mod linear;
mod linear_state;
mod linformer;
mod lsh;
mod normals;
mod performer;
mod retention;
mod state;

pub use any::{AnyMechanism, MechanismConfig};
pub use any_state::AnyState;
pub use attention::{Attention, AttentionConfig, AttentionOutput, AttentionState, KeyValueMemory};
pub use error::MechanismError;
pub(crate) use finite::finite_rows;
pub use gated_delta::{Gate, GatedDelta, GatedDeltaConfig};
pub use kernelized::{FeatureMap, Features, kernelized, kernelized_step};
pub use linear::{LinearAttention, LinearAttentionConfig};
pub use linear_state::LinearState;
pub use linformer::{Linformer, LinformerConfig, LinformerSharing};
pub use lsh::{Lsh, LshConfig};
pub use performer::{Performer, PerformerConfig};
pub use retention::{Retention, RetentionConfig};
pub use state::MechanismState;

use crate::Mask;
use crate::explain::{self, Summary};
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

    /// [`forward`](Self::forward) and [`weights`](Self::weights): asking for the weights does not change
    /// the context.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn forward_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        let weights = self.weights(query.clone(), key.clone(), mask);
        (self.forward(query, key, value, mask), weights)
    }

    /// What the queries look at: for each the `k` keys of most weight and the entropy, and for each key
    /// what it receives. Scaled or plain dot products under a softmax are weighed some queries at a
    /// time, so that nothing of size queries × keys is in memory; the others by their
    /// [`weights`](Self::weights).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn summary(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask, k: usize) -> Summary {
        explain::of_weights(self.weights(query, key, mask), k)
    }
}

/// A [`Mechanism`] that takes a sequence step by step, as a decoder does, and keeps of the steps before
/// what it needs, in a state of its own.
///
/// A sequence may be taken at once by [`forward`](Mechanism::forward), or in chunks and single steps by
/// [`step`](Self::step), with the same contexts, if the mask hides from each query what follows its
/// chunk.
pub trait Stepwise: Mechanism {
    /// What is kept of the steps so far.
    type State: MechanismState;

    /// The contexts of queries that follow the steps in `state`, to which their keys and values are
    /// added.
    ///
    /// `mask` is over all steps so far, and its last query belongs to the last of them.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, steps, d]`
    /// - `key`: `[batch, kv_heads, steps, d]`
    /// - `value`: `[batch, kv_heads, steps, value_dim]`
    /// - result: `[batch, heads, steps, value_dim]`
    ///
    /// # Panics
    /// If the shapes do not fit together or the steps before, or the mask or the mechanism does not fit
    /// them.
    fn step(
        &self,
        state: &mut Self::State,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4>;

    /// [`step`](Self::step), and the weights of all keys so far, `[batch, heads, steps, keys]`.
    ///
    /// # Panics
    /// As [`step`](Self::step), and if there are steps in the state of a mechanism that keeps no keys.
    fn step_with_weights(
        &self,
        state: &mut Self::State,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        assert!(
            state.is_empty(),
            "the weights of {} earlier keys are asked for, which the mechanism does not keep",
            state.len()
        );
        let weights = self.weights(query.clone(), key.clone(), mask);
        (self.step(state, query, key, value, mask), weights)
    }
}
