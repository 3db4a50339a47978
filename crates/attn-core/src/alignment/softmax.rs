//! Softmax, with or without a sink.

use super::{Aligned, Alignment, AlignmentError, Scores};
use attn_kernels::attention::unfused;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// A logit beside the scores, whose share of the softmax goes to no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkConfig {
    /// None: the weights of a query that sees a key sum to 1.
    #[default]
    None,
    /// A logit of 0, [`Sink::Zero`](crate::Sink::Zero).
    Zero,
    /// A learned logit for each of so many heads, [`Sink::Learned`](crate::Sink::Learned), at
    /// first 0.
    Learned(usize),
}

/// Configuration of a [`Softmax`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftmaxConfig {
    /// One more score in each row.
    pub sink: SinkConfig,
}

impl SoftmaxConfig {
    /// A plain softmax.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a sink.
    pub fn with_sink(self, sink: SinkConfig) -> Self {
        Self { sink }
    }

    /// # Errors
    /// If a sink is learned for no head.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        match self.sink {
            SinkConfig::Learned(heads) => {
                AlignmentError::check_sizes("softmax", &[("sink heads", heads)])
            }
            SinkConfig::None | SinkConfig::Zero => Ok(()),
        }
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Softmax {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let learned = match self.sink {
            SinkConfig::Learned(heads) => Some(Param::from_tensor(Tensor::zeros([heads], device))),
            SinkConfig::None | SinkConfig::Zero => None,
        };
        Softmax { logits: learned, sink: self.sink }
    }
}

/// Softmax: `w_j = exp(s_j) / Σ_l exp(s_l)` (Bahdanau et al. 2015, equation 6), with a
/// [sink](crate::Sink) `z` also `exp(s_j) / (exp(z) + Σ_l exp(s_l))`.
#[derive(Module, Debug)]
pub struct Softmax {
    /// The logits of a learned sink, `[heads]`.
    pub logits: Option<Param<Tensor<1>>>,
    #[module(skip)]
    sink: SinkConfig,
}

impl Softmax {
    /// The sink, as [`attend`](crate::attend) takes it.
    pub fn sink(&self) -> Option<crate::Sink> {
        match (&self.logits, self.sink) {
            (Some(logits), _) => Some(crate::Sink::Learned(logits.val())),
            (None, SinkConfig::Zero) => Some(crate::Sink::Zero),
            (None, _) => None,
        }
    }
}

impl Alignment for Softmax {
    /// # Panics
    /// If a sink was learned for another number of heads.
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let [_, heads, ..] = scores.dims();
        let sink = self.sink().map(|sink| match sink {
            crate::Sink::Zero => {
                Tensor::zeros([heads], (&scores.values.device(), scores.values.dtype()))
            }
            crate::Sink::Learned(logits) => logits,
        });
        if let Some(sink) = &sink {
            let [found] = sink.dims();
            assert_eq!(found, heads, "softmax: a sink of {found} heads, scores of {heads}");
        }
        Aligned::new(unfused::Softmax::new(scores.hidden_as(f64::NEG_INFINITY), sink).weights)
    }
}
