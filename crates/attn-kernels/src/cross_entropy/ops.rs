//! Cross-entropy as an operation of the processor backends.

use crate::cpu::cross_entropy::{self as kernel, LogSumExps, backward, forward};
use crate::cpu::isa;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, modified, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use std::sync::Arc;

pub(super) fn cross_entropy(
    logits: Tensor<2>,
    labels: &[Option<u32>],
    smoothing: f64,
) -> Tensor<1> {
    run(CrossEntropy(Labels::new(labels, smoothing)), [logits.into_dispatch()], None)
}

/// What the rows of logits should have been.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    of_rows: Arc<[Option<u32>]>,
    smoothing: f64,
}

impl Labels {
    pub(super) fn new(of_rows: &[Option<u32>], smoothing: f64) -> Self {
        Self { of_rows: of_rows.into(), smoothing }
    }

    pub(super) fn as_slices(&self) -> kernel::Labels<'_> {
        kernel::Labels { of_rows: &self.of_rows, smoothing: self.smoothing }
    }
}

/// The sum over the rows of logits, `[1]`.
#[derive(Clone, Debug)]
struct CrossEntropy(Labels);

impl Operation<1, 1> for CrossEntropy {
    type Saved<B: SliceBackend<f32>> = LogSumExps;

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 1],
    ) -> (FloatTensor<B>, LogSumExps) {
        let ([logits], _) = inputs.split();
        let logits = contiguous::<B, f32>(logits);
        let labels = self.0.as_slices();
        let (costs, log_sum_exps) = forward(isa(), slice::<B, f32>(&logits), labels);
        let sum = costs.iter().map(|&cost| f64::from(cost)).sum::<f64>() as f32;
        (tensor::<B, f32>(vec![sum], [1], &logits.device()), log_sum_exps)
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        log_sum_exps: LogSumExps,
        [logits]: [FloatTensor<B>; 1],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let gradient = slice::<B, f32>(&gradient)[0];
        let of_logits = modified::<B, f32>(logits, |logits| {
            backward(isa(), logits, self.0.as_slices(), &log_sum_exps, gradient);
        });
        parents.register(0, of_logits);
    }
}
