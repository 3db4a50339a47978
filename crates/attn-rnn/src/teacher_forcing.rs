//! What a training objective needs of the encoder–decoder.

use crate::flow::Flow;
use attn_core::teacher_forcing::{Prediction, SequenceToSequence, TokenScores};
use burn::tensor::{Int, Tensor};

use crate::{Decoded, Hidden, Seq2Seq};

/// Of a model that copies, the scores are those of its mixture; source and target have one vocabulary
/// then, see [`Seq2Seq::memory`].
impl SequenceToSequence for Seq2Seq {
    /// # Panics
    /// As [`Seq2Seq::forward`].
    fn predict_target(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Prediction {
        if self.decoder.copy.is_some() {
            let Decoded { logits, draw, weights, .. } = self.decode(source, lengths, target);
            let scores = TokenScores::Logits(logits);
            return Prediction { scores, draw, weights: weights.map(one_head) };
        }
        let Hidden { features, draw, weights, .. } = self.hidden(source, lengths, target);
        let (weight, bias) = self.projection();
        let scores = TokenScores::Projected { features, weight, bias };
        Prediction { scores, draw, weights: weights.map(one_head) }
    }

    /// Whether the decoder has attention.
    fn returns_weights(&self) -> bool {
        self.decoder.flow.attention().is_some()
    }
}

/// `[b, t, s]` → `[b, 1, t, s]`
fn one_head(weights: Tensor<3>) -> Tensor<4> {
    weights.unsqueeze_dim(1)
}
