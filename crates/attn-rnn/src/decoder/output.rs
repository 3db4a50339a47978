//! What a decoder returns.

use attn_core::alignment::{Draw, Past};
use attn_core::coverage::coverage_loss;
use burn::tensor::Tensor;

/// What [`Decoder::decode`](super::Decoder::decode) returns.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Of each target token's successor, `[b, t, vocab]`.
    ///
    /// Where words are copied, logarithms of probabilities `[b, t, extended]`: as logits, their own
    /// log-softmax, so that cross-entropy over them is the negative log-likelihood of the mixture.
    /// Where the weights of an alignment sum to less or more than 1, as those of local-p do, so do the
    /// probabilities, and it is the log-softmax that is a distribution.
    pub logits: Tensor<3>,
    /// Weights of the source steps at each target step, `[b, t, s]`, before dropout; `None`
    /// without attention.
    pub weights: Option<Tensor<3>>,
    /// The draws, where weights were drawn, of one head and `t` queries.
    pub draw: Option<Draw>,
    /// The probability to generate and not to copy, See et al. (2017), equation 8, `[b, t]`, where words
    /// are copied.
    pub p_gen: Option<Tensor<2>>,
    /// The attention before the first of these steps.
    pub past: Past,
}

impl Decoded {
    /// Coverage loss of each target step, See et al. (2017), equation 12: `Σ_j min(a_j, c_j)`, its
    /// attention to source steps that earlier target steps attended to, those of earlier chunks
    /// included. `None` without attention.
    ///
    /// # Shapes
    /// - result: `[b, t]`
    ///
    /// # Examples
    /// Equation 13, with `λ = 1` as in the paper, over the real target steps:
    ///
    /// ```
    /// use attn_core::mechanism::AttentionConfig;
    /// use attn_core::score::{CoverageConfig, ScoreConfig};
    /// use attn_rnn::{
    ///     BahdanauConfig, CopyConfig, DecoderConfig, EncoderConfig, FlowConfig, RecurrentConfig,
    ///     Seq2SeqConfig,
    /// };
    /// use burn::tensor::{Device, Int, Tensor};
    ///
    /// let device = Device::default().autodiff();
    /// // One vocabulary of 90 tokens. The score depends on coverage, and words may be copied.
    /// let score = ScoreConfig::Coverage(CoverageConfig::new(24, 16, 20));
    /// let flow = BahdanauConfig::new(AttentionConfig::new().with_score(score), 12);
    /// let writer = RecurrentConfig::lstm(8, 24);
    /// let model = Seq2SeqConfig::new(
    ///     EncoderConfig::new(90, RecurrentConfig::lstm(8, 16)),
    ///     DecoderConfig::new(90, writer, FlowConfig::Bahdanau(flow)).with_copy(CopyConfig::new()),
    /// )
    /// .init(&device);
    ///
    /// let source = Tensor::<2, Int>::from_data([[5, 7, 2, 9, 4], [8, 3, 6, 0, 0]], &device);
    /// let given = Tensor::<2, Int>::from_data([[1, 11, 12], [1, 21, 0]], &device);
    /// let wanted = Tensor::<2, Int>::from_data([[11, 12, 2], [21, 2, 0]], &device);
    /// let real = Tensor::<2>::from_data([[1, 1, 1], [1, 1, 0]], &device);
    ///
    /// let decoded = model.decode(source, &[5, 3], given);
    /// let repeated = decoded.coverage_loss().unwrap(); // [b, t]
    /// let log_probs = decoded.logits.gather(2, wanted.unsqueeze_dim(2)).squeeze_dim::<2>(2); // [b, t]
    /// let loss = ((repeated * 1.0 - log_probs) * real.clone()).sum() / real.sum();
    /// let gradients = loss.backward();
    /// # assert!(model.encoder.embedding.weight.val().grad(&gradients).is_some());
    /// ```
    pub fn coverage_loss(&self) -> Option<Tensor<2>> {
        let weights = self.weights.clone()?.unsqueeze_dim::<4>(1); // [b, 1, t, s]
        Some(coverage_loss(weights, &self.past).squeeze_dim(1))
    }
}

/// What [`Decoder::hidden`](super::Decoder::hidden) returns.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// Of each target token, `[b, t, d_features]`, behind dropout.
    pub features: Tensor<3>,
    /// As [`Decoded::weights`].
    pub weights: Option<Tensor<3>>,
    /// As [`Decoded::draw`].
    pub draw: Option<Draw>,
    /// The logit of [`Decoded::p_gen`].
    pub gate: Option<Tensor<2>>,
}
