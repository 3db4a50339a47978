//! The loss over a whole source.

use burn::tensor::{Device, FloatDType, Tensor};

use crate::metrics;
use crate::objective::Objective;
use crate::source::BatchSource;

/// Result of [`evaluate`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Mean loss; in nats per token if it is a cross-entropy.
    pub loss: f64,
    /// What it was averaged over.
    pub tokens: usize,
}

impl Evaluation {
    /// [Perplexity](metrics::perplexity), if the loss is a cross-entropy without smoothing.
    pub fn perplexity(&self) -> f64 {
        metrics::perplexity(self.loss * self.tokens as f64, self.tokens)
    }
}

/// Mean [validation loss](Objective::validation_loss) over the first epoch of a source.
///
/// `model` is one without autodiff ([`Module::valid`](burn::module::Module::valid)), on `device`.
///
/// # Panics
/// If the source has nothing to average over.
pub fn evaluate<M, B>(
    model: &M,
    objective: &impl Objective<M, B>,
    source: &mut impl BatchSource<Batch = B>,
    device: &Device,
) -> Evaluation {
    let mut sums = Vec::new();
    let mut tokens = 0;
    for index in 0..source.batches(0) {
        let loss = objective.validation_loss(model, &source.batch(0, index), device);
        sums.push(loss.sum);
        tokens += loss.tokens;
    }
    assert!(tokens > 0, "the mean loss of 0 tokens is undefined");
    Evaluation { loss: to_host(sums).into_iter().sum::<f64>() / tokens as f64, tokens }
}

/// Numbers from the device, all in one transfer, in f32: those of a model need not be of one type.
pub(crate) fn to_host(scalars: Vec<Tensor<1>>) -> Vec<f64> {
    let scalars = scalars.into_iter().map(|scalar| scalar.cast(FloatDType::F32)).collect();
    Tensor::cat(scalars, 0).into_data().iter::<f64>().collect()
}
