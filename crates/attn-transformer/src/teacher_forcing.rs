//! What a training objective needs of the models.

use attn_core::Mask;
use attn_core::teacher_forcing::{LanguageModel, Prediction, SequenceToSequence, TokenScores};
use burn::tensor::{Int, Tensor};

use crate::{DecoderOnly, EncoderDecoder, Layout};

impl SequenceToSequence for EncoderDecoder {
    /// # Panics
    /// As [`EncoderDecoder::forward`].
    fn predict_target(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Prediction {
        let [_, s] = source.dims();
        let padded = lengths.iter().any(|&length| length < s);
        let mask = if padded { Mask::padding(lengths) } else { Mask::open() };
        let features = self.hidden(source, &mask, target); // [b, t, m]
        let (weight, bias) = self.projection();
        Prediction {
            scores: TokenScores::Projected { features, weight, bias },
            draw: None,
            weights: None,
        }
    }
}

impl LanguageModel for DecoderOnly {
    /// # Panics
    /// As [`DecoderOnly::forward`].
    fn predict_next(&self, tokens: Tensor<2, Int>) -> TokenScores {
        let features = self.hidden(tokens, &Layout::causal(), None); // [b, t, m]
        let (weight, bias) = self.projection();
        TokenScores::Projected { features, weight, bias }
    }
}
