//! What a flow computes for target steps.

use attn_core::alignment::Draw;
use burn::tensor::Tensor;

/// What a flow computes for target steps.
pub(crate) struct FlowOutput {
    /// What the output layer reads, before dropout, `[b, t, d_features]`.
    pub features: Tensor<3>,
    /// States of the last layer, `[b, t, d_hidden]`.
    pub hidden: Tensor<3>,
    /// `None` where the decoder has no attention.
    pub attention: Option<SourceAttention>,
}

/// Attention of target steps over the source.
pub(crate) struct SourceAttention {
    /// `[b, t, d_annotation]`
    pub context: Tensor<3>,
    /// `[b, t, s]`
    pub weights: Tensor<3>,
    /// The draws, where weights were drawn.
    pub draw: Option<Draw>,
}

impl SourceAttention {
    /// One or more steps, one after the other.
    pub fn concatenate(steps: Vec<Self>) -> Self {
        let (mut contexts, mut weights, mut draws) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            contexts.push(step.context);
            weights.push(step.weights);
            draws.push(step.draw);
        }
        Self {
            context: Tensor::cat(contexts, 1),
            weights: Tensor::cat(weights, 1),
            draw: Draw::concatenate(draws),
        }
    }
}
