//! Alignments: how the scores of a query become weights of the keys.
//!
//! | alignment | equation | paper |
//! |---|---|---|
//! | [`Softmax`] | `exp(s_j) / Σ exp(s_l)`, with a sink `exp(s_j) / (exp(z) + Σ exp(s_l))` | Bahdanau et al. 2015; Miller 2023 |
//! | [`LocalMonotonic`] | softmax over `[t - D, t + D]` | Luong et al. 2015, section 3.2 |
//! | [`LocalPredictive`] | softmax over `[p - D, p + D]` times `exp(-2 (j - p)² / D²)` with `p = S · σ(v · tanh(W q))` | Luong et al. 2015, equations 9–10 |
//! | [`Monotonic`] | `α_ij = p_ij Σ_{m ≤ j} α_{i-1,m} Π_{m ≤ l < j} (1 - p_il)` with `p = σ(s + r)` | Raffel et al. 2017, equation 9 |
//! | [`Chunkwise`] | `Σ_m α_im exp(s_ij) / Σ_l exp(s_il)` over the chunks of `w` keys that end at `m` | Chiu & Raffel 2018 |
//! | [`AdaptiveSpan`] | `m_z(p - j) exp(s_j) / Σ_l m_z(p - l) exp(s_l)` with a ramp `m_z` behind a learned span `z` | Sukhbaatar et al. 2019 |
//! | [`Sparsemax`] | `max(0, s_j - τ)` that sum to 1 | Martins & Astudillo 2016 |
//! | [`Entmax`] | `max(0, (α - 1) s_j - τ)^(1 / (α - 1))` that sum to 1 | Peters et al. 2019; learned α: Correia et al. 2019 |
//! | [`Sigmoid`] | `σ(s_j + b)` | Ramapuram et al. 2024 |
//! | [`TopK`] | softmax over the `k` largest scores | Zhao et al. 2019; Gupta et al. 2021 |
//! | [`Hard`] | 1 for one key, drawn from the softmax; trained by [`reinforce_loss`] | Xu et al. 2015 |
//! | [`GumbelSoftmax`] | 1 for one key, drawn from the softmax; gradient of `softmax((s + n) / τ)` | Jang et al. 2017; Maddison et al. 2017 |
//!
//! An alignment is a module, made by its config; [`AlignmentConfig`] chooses one by name, as a file
//! does. [`Attention`](crate::mechanism::Attention) puts a score and an alignment together;
//! [`weigh`] is for scores of any origin.
//!
//! # The law
//! is kept in one place, by [`weigh`], and so holds for every alignment: a hidden key has the weight
//! 0 and its score no gradient, whatever it holds; a query that sees no key has weights of 0 and no
//! gradient; a query with a visible score that is not finite has weights that are NaN.

mod adaptive_span;
mod any;
mod chunkwise;
mod entmax;
mod error;
mod gumbel;
mod hard;
mod local_monotonic;
mod local_predictive;
mod monotonic;
mod normal;
mod past;
mod range;
mod reinforce;
mod scores;
mod sigmoid;
mod simplex;
mod softmax;
mod sparsemax;
mod top_k;
mod walk;
mod weigh;

pub use adaptive_span::{AdaptiveSpan, AdaptiveSpanConfig};
pub use any::{AlignmentConfig, AnyAlignment};
pub use chunkwise::{Chunkwise, ChunkwiseConfig};
pub use entmax::{Entmax, EntmaxAlpha, EntmaxConfig};
pub use error::AlignmentError;
pub use gumbel::{GumbelSoftmax, GumbelSoftmaxConfig};
pub use hard::{Hard, HardConfig};
pub use local_monotonic::{LocalMonotonic, LocalMonotonicConfig};
pub use local_predictive::{LocalPredictive, LocalPredictiveConfig};
pub use monotonic::{Monotonic, MonotonicConfig};
pub use past::Past;
pub use reinforce::{Reinforce, leave_one_out_advantage, reinforce_loss};
pub use scores::Scores;
pub use sigmoid::{Sigmoid, SigmoidBias, SigmoidConfig};
pub use softmax::{SinkConfig, Softmax, SoftmaxConfig};
pub use sparsemax::{Sparsemax, SparsemaxConfig};
pub use top_k::{TopK, TopKConfig};
pub use weigh::weigh;
pub(crate) use weigh::weigh_visible;

use burn::tensor::Tensor;

/// How scores become weights; [`Scores`] say which keys are hidden.
///
/// Implementations see scores that are finite everywhere, and what they return for hidden keys and
/// for queries that see none does not matter, as long as it is finite and its gradient is:
/// [`weigh`] does the rest.
pub trait Alignment {
    /// The weights of all queries.
    ///
    /// # Shapes
    /// - `scores`: of `[batch, heads, queries, keys]`, none of them 0
    /// - weights: `[batch, heads, queries, keys]`
    fn align(&self, scores: &Scores<'_>) -> Aligned;
}

/// Weights, and what the next query or a training objective needs beside them.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// `[batch, heads, queries, keys]`
    pub weights: Tensor<4>,
    /// What the next query needs to know of the last one of these, `[batch, heads, keys]`, where
    /// that is something other than its weights: see [`Past::carry`].
    pub carry: Option<Tensor<3>>,
    /// The draw, where the weights were drawn.
    pub draw: Option<Draw>,
}

impl Aligned {
    /// Weights, and nothing else.
    pub fn new(weights: Tensor<4>) -> Self {
        Self { weights, carry: None, draw: None }
    }
}

/// The draws of keys by hard attention, for a score-function gradient such as [`reinforce_loss`].
#[derive(Clone, Debug)]
pub struct Draw {
    /// `[batch, heads, queries]`: logarithm of the probability of the key that was drawn; 0 for a
    /// query that sees no key. Differentiable in the scores.
    pub log_prob: Tensor<3>,
    /// `[batch, heads, queries]`: entropy of the distribution that it was drawn from, in nats.
    /// Differentiable in the scores.
    pub entropy: Tensor<3>,
}

impl Draw {
    /// The draws of one or more parts of the queries, one after the other; `None` if a part has none.
    pub fn concatenate(parts: Vec<Option<Self>>) -> Option<Self> {
        let parts: Vec<Self> = parts.into_iter().collect::<Option<_>>()?;
        let (log_prob, entropy): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.log_prob, part.entropy)).unzip();
        Some(Self { log_prob: Tensor::cat(log_prob, 2), entropy: Tensor::cat(entropy, 2) })
    }

    /// The draws of real queries, those of padding 0.
    ///
    /// # Shapes
    /// - `real`: `[batch, queries]`, 1 for a real query and 0 for padding
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn without_padding(self, real: Tensor<2>) -> Self {
        let real = real.unsqueeze_dim::<3>(1); // [b, 1, q]
        Self { log_prob: self.log_prob * real.clone(), entropy: self.entropy * real }
    }
}
