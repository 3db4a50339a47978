//! How attention is computed.

use super::DropoutMask;
use super::Visibility;
use std::sync::Arc;

/// How attention is computed: all that is not a tensor.
///
/// With scores `s = soft-cap(scale · q·k) + bias` over the visible keys of a query, and the logit of
/// a sink, if there is one, as one more score whose value is zero.
#[derive(Clone, Debug)]
pub struct Options {
    /// Factor of the scores.
    pub scale: f64,
    /// Scores `s` become `c · tanh(s / c)`; positive.
    pub softcap: Option<f64>,
    /// Which weights are dropped before the values are multiplied by them; the log-sum-exp is taken before dropout.
    pub dropout: Option<DropoutMask>,
    /// Which query sees which key; `None`: each sees all.
    pub mask: Option<Arc<dyn Visibility>>,
}

impl Options {
    /// Scores times `scale`, nothing capped, dropped or hidden.
    pub fn new(scale: f64) -> Self {
        Self { scale, softcap: None, dropout: None, mask: None }
    }
}
