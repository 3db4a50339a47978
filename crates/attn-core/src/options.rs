//! What else an attention is told, besides queries, keys, values and mask.

use crate::DropoutMask;
use burn::tensor::Tensor;

/// Options of [`attend`](crate::attend); the default is plain scaled dot-product attention.
///
/// The order in which they act on a score, which is the order of the law:
/// `mask(soft-cap(scale · q·k) + bias)`. The cap comes before the mask, because `tanh` would turn a
/// hidden −∞ into a finite, visible score.
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
    /// Which weights are dropped before they meet the values. Given means dropped: whether a model
    /// is training is not this function's business.
    pub dropout: Option<DropoutMask>,
}
