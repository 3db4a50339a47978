//! What a training objective needs of the encoder–decoder.

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
            let Decoded { logits, draw, .. } = self.decode(source, lengths, target);
            return Prediction { scores: TokenScores::Logits(logits), draw };
        }
        let Hidden { features, draw, .. } = self.hidden(source, lengths, target);
        let (weight, bias) = self.projection();
        Prediction { scores: TokenScores::Projected { features, weight, bias }, draw }
    }
}
