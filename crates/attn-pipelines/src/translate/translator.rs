//! A trained model with its vocabulary.

use std::num::NonZero;
use std::path::Path;

use attn_generate::{BeamConfig, GenerateError, Hypothesis, Limits, beam_search};
use attn_train::Checkpoint;
use attn_train::batch::{BatchPlan, BatchPlanConfig, Overlong, TokenBatch};
use attn_train::data::{Pair, Side};
use attn_train::tokenizer::{BOS, EOS, TokenizerError};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::vocabulary::{EncodeError, TooLong};
use super::{Alignments, Architecture, Error, RunDir, Settings, TranslationModel, Vocabulary};

/// Translates from beginning to end: text, tokens, beam search, tokens, text.
#[derive(Debug)]
pub struct Translator<C: Architecture> {
    settings: Settings<C>,
    vocabulary: Vocabulary,
    model: C::Model,
    device: Device,
}

/// A translation, and how good the model holds it to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// Its tokens, without the one that ends it.
    pub tokens: Vec<u32>,
    /// What translations are ranked by: the higher the better.
    pub score: f64,
}

impl<C: Architecture> Translator<C> {
    /// The best model of a run.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing, damaged or of another model.
    pub fn load(run: &RunDir, device: &Device) -> Result<Self, Error> {
        let settings = Settings::<C>::load(&run.settings())?;
        let vocabulary = Vocabulary::load(run)?;
        vocabulary.check(&settings.model)?;
        // Its parameters are never drawn: those of the checkpoint take their place.
        let model = settings.model.init(device);
        let model = Checkpoint::best(run.path())?.load_model(model)?;
        Ok(Self { settings, vocabulary, model, device: device.clone() })
    }

    /// Cuts sentences that are too long instead of refusing them.
    pub fn truncating(mut self) -> Self {
        self.settings.overlong = Overlong::Truncate;
        self
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// A beam search for this model: translations end at the length that it was trained for.
    pub fn beam(&self) -> BeamConfig {
        BeamConfig::new(Limits::new(EOS, self.settings.max_len.target))
    }

    /// The tokens of a sentence; `place` is where it came from, for the error.
    ///
    /// # Errors
    ///
    /// Fails if it is longer than the model takes, and is not to be cut.
    pub fn encode(
        &self,
        text: &str,
        place: impl FnOnce() -> String,
    ) -> Result<Vec<u32>, EncodeError> {
        let mut tokens = self.vocabulary.source.encode(text)?;
        let max = self.settings.max_len.source;
        if tokens.len() > max {
            if self.settings.overlong == Overlong::Refuse {
                let (side, steps) = (Side::Source, tokens.len());
                return Err(TooLong { place: place(), side, steps, max }.into());
            }
            tokens.truncate(max);
        }
        Ok(tokens)
    }

    /// The `n_best` translations of each sentence, the best first.
    ///
    /// # Errors
    ///
    /// Fails if the search is told nonsense, or the model answers with it.
    pub fn translate(
        &self,
        sentences: &[Vec<u32>],
        beam: &BeamConfig,
    ) -> Result<Vec<Vec<Translation>>, Error> {
        beam.validate()?;
        let mut found = vec![Vec::new(); sentences.len()];
        for rows in batches(sentences, beam.beams) {
            let sources: Vec<&[u32]> = rows.iter().map(|&row| &*sentences[row]).collect();
            for (&row, hypotheses) in rows.iter().zip(self.search(&sources, beam)?) {
                found[row] = self.translations(hypotheses)?;
            }
        }
        Ok(found)
    }

    /// The best translation of the source of each pair of a file.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) and [`translate`](Self::translate).
    pub fn translate_sources(
        &self,
        pairs: &[Pair],
        file: &Path,
        beam: &BeamConfig,
    ) -> Result<Vec<Translation>, Error> {
        let place = |index| move || format!("{}:{}", file.display(), index + 1);
        let encode = |(index, pair): (usize, &Pair)| self.encode(&pair.source, place(index));
        let sentences =
            pairs.iter().enumerate().map(encode).collect::<Result<Vec<_>, EncodeError>>()?;
        let beam = BeamConfig { n_best: 1, ..beam.clone() };
        // A search that succeeds finds something for every sentence.
        Ok(self.translate(&sentences, &beam)?.into_iter().flatten().collect())
    }

    fn search(
        &self,
        sources: &[&[u32]],
        beam: &BeamConfig,
    ) -> Result<Vec<Vec<Hypothesis>>, GenerateError> {
        let batch = TokenBatch::from_rows(sources);
        beam_search(&self.model, self.model.start(&batch, &self.device), beam)
    }

    fn translations(&self, found: Vec<Hypothesis>) -> Result<Vec<Translation>, TokenizerError> {
        let translation = |Hypothesis { tokens, score, .. }: Hypothesis| {
            // One line, whatever the model writes: results are read line by line.
            let text = self.vocabulary.target.decode(&tokens)?.replace(['\n', '\r'], " ");
            Ok(Translation { text, tokens, score })
        };
        found.into_iter().map(translation).collect()
    }

    /// How a translation looked at its source; `None` if the model does not look.
    pub fn alignments(&self, source: &[u32], translation: &[u32]) -> Option<Alignments> {
        // What the decoder reads at each step is what it wrote at the one before.
        let read = [&[BOS], translation].concat();
        let read = TensorData::new(read.clone(), [1, read.len()]);
        let target = Tensor::<2, Int>::from_data(read, &self.device); // [1, t]
        self.model.alignments(&TokenBatch::from_rows(&[source]), target)
    }
}

/// Rows of a batch times its steps: enough to keep the device busy, and no more.
const BATCH_TOKENS: usize = 4096;

/// Sentences of like length together, as row numbers.
fn batches(sentences: &[Vec<u32>], beams: usize) -> Vec<Vec<usize>> {
    if sentences.is_empty() {
        return Vec::new();
    }
    let lengths: Vec<[usize; 1]> = sentences.iter().map(|tokens| [tokens.len()]).collect();
    let longest = sentences.iter().map(Vec::len).max().unwrap_or(0);
    let tokens = (BATCH_TOKENS / beams).max(longest).max(1);
    let config = BatchPlanConfig { tokens, max_rows: NonZero::new(64), seed: None };
    let plan = BatchPlan::new(&lengths, &config, 0).expect("there is room for the longest");
    (0..plan.len()).map(|index| plan.batch(index).to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_sentence_once() {
        let sentences: Vec<Vec<u32>> = (0..150).map(|n| vec![4; n * 7 % 23]).collect();
        let mut rows = batches(&sentences, 3).concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..150).collect::<Vec<_>>());
        assert!(batches(&[], 3).is_empty());
        assert_eq!(batches(&[vec![4; 9000]], 3), [[0]], "longer than a batch");
    }
}
