//! Options of an attention beside queries, keys, values and mask.

use crate::DropoutMask;
use burn::tensor::Tensor;

/// Options of [`attend`](crate::attend); the default is plain scaled dot-product attention.
///
/// The order in which they act on a score, which is the order of the law:
/// `mask(soft-cap(scale · q·k) + bias)`. The cap comes before the mask, because `tanh` would turn a
/// hidden −∞ into a finite, visible score. A sink is one more score of each row, which none of this
/// touches.
#[derive(Clone, Debug, Default)]
pub struct AttendOptions {
    /// Factor of the scores; `None` is `1 / sqrt(d)` with `d` the width of a key
    /// (Vaswani et al. 2017, equation 1).
    pub scale: Option<f64>,
    /// Scores `s` become `c · tanh(s / c)` (Gemma 2, Gemma Team 2024, section 2).
    pub softcap: Option<f64>,
    /// Added to the scores, `[batch | 1, heads | 1, queries | 1, keys | 1]`; differentiable, its
    /// gradient is summed over the dimensions in which it was broadcast.
    pub bias: Option<Tensor<4>>,
    /// Where a query may leave the attention that it gives to no key.
    pub sink: Option<Sink>,
    /// Which weights are dropped before they meet the values. Given means dropped: whether a model
    /// is training is not this function's business.
    pub dropout: Option<DropoutMask>,
}

/// An attention sink: one more score in each row, which takes part in the softmax and has the value
/// zero. So a query can attend to nothing, instead of to a key that does not matter.
///
/// The weights of the keys then sum to one less the weight of the sink, and the sink is part of the
/// log-sum-exp. A query that sees no key has the context 0 and the log-sum-exp of the sink alone,
/// which is the sink's logit.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are a few, and one that is learned holds a tensor"
)]
pub enum Sink {
    /// A logit of 0: `exp(sⱼ) / (1 + Σ exp(sₗ))`, the softmax "off by one" (Miller 2023, *Attention
    /// is off by one*).
    Zero,
    /// A logit for each query head, `[heads]`; differentiable. That of gpt-oss (OpenAI 2025, *gpt-oss
    /// model card*); the name is Xiao et al.'s (2024, *Efficient streaming language
    /// models with attention sinks*).
    Learned(Tensor<1>),
}
