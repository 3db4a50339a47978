//! A trained model with its vocabulary.

use std::fmt::Debug;
use std::num::NonZero;
use std::path::Path;

use attn_generate::{BeamConfig, GenerateError, Hypothesis, Limits, beam_search};
use attn_rnn::Seq2SeqConfig;
use attn_train::batch::{BatchPlan, BatchPlanConfig, Lengths, Overlong, TokenBatch};
use attn_train::data::{Pair, Side};
use attn_train::tokenizer::{BOS, EOS, TokenizerError};
use attn_train::{Checkpoint, StopSignal};
use attn_transformer::EncoderDecoderConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::settings::has_model_key;
use super::vocabulary::{EncodeError, TooLong};
use super::{Alignments, Architecture, Settings, TranslationModel, Vocabulary, record};
use crate::{Error, RunDir};

/// A trained model with its vocabulary: text, tokens, beam search, tokens, text.
///
/// ```no_run
/// use attn_pipelines::{DeviceName, Translator};
///
/// let device = DeviceName::Auto.open()?;
/// let translator = Translator::load("runs/en-fr", &device)?;
/// for translation in translator.translate(&["I am cold.", "Where is the station?"])? {
///     println!("{}", translation.text);
/// }
/// # Ok::<(), attn_pipelines::Error>(())
/// ```
#[derive(Debug)]
pub struct Translator {
    max_len: Lengths,
    overlong: Overlong,
    vocabulary: Vocabulary,
    model: Box<dyn Search>,
    device: Device,
    stop: StopSignal,
}

/// A model of any architecture that searches for translations.
trait Search: Debug + Send {
    fn search(
        &self,
        sources: &TokenBatch,
        beam: &BeamConfig,
        device: &Device,
    ) -> Result<Vec<Vec<Hypothesis>>, GenerateError>;

    fn alignments(&self, source: &TokenBatch, target: Tensor<2, Int>) -> Option<Alignments>;
}

impl<M: TranslationModel> Search for M {
    fn search(
        &self,
        sources: &TokenBatch,
        beam: &BeamConfig,
        device: &Device,
    ) -> Result<Vec<Vec<Hypothesis>>, GenerateError> {
        beam_search(self, self.start(sources, device), beam)
    }

    fn alignments(&self, source: &TokenBatch, target: Tensor<2, Int>) -> Option<Alignments> {
        TranslationModel::alignments(self, source, target)
    }
}

/// A translation, and how good the model holds it to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// Its tokens, without the one that ends it.
    pub tokens: Vec<u32>,
    /// Whether it came to its end, or was cut off at the longest length.
    pub finished: bool,
    /// What translations are ranked by: the higher the better.
    pub score: f64,
}

impl Translator {
    /// The best model of a run, whatever its architecture.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing, damaged or of another model.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let run = RunDir::open(folder.as_ref())?;
        if has_model_key(&run.settings(), Seq2SeqConfig::KEY) {
            Self::load_as::<Seq2SeqConfig>(folder, device)
        } else {
            Self::load_as::<EncoderDecoderConfig>(folder, device)
        }
    }

    /// The best model of a run, which is of this architecture.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing, damaged or of another model.
    pub fn load_as<C: Architecture>(
        folder: impl AsRef<Path>,
        device: &Device,
    ) -> Result<Self, Error> {
        let run = RunDir::open(folder.as_ref())?;
        let settings = Settings::<C>::load(&run.settings())?;
        let vocabulary = Vocabulary::load(&run)?;
        vocabulary.check(&settings.model)?;
        let checkpoint = Checkpoint::best(run.path())?;
        checkpoint.check(&record::of_run(&settings, &run)?)?;
        // Its parameters are never drawn: those of the checkpoint take their place.
        let model = settings.model.init(device);
        let model = checkpoint.load_model(model)?;
        let Settings { max_len, overlong, .. } = settings;
        let (model, device) = (Box::new(model), device.clone());
        Ok(Self { max_len, overlong, vocabulary, model, device, stop: StopSignal::new() })
    }

    /// Cuts sentences that are too long instead of refusing them.
    pub fn truncating(mut self) -> Self {
        self.overlong = Overlong::Truncate;
        self
    }

    /// Ends a search of many sentences with [`Error::Stopped`] when `stop` is given.
    pub fn with_stop(self, stop: StopSignal) -> Self {
        Self { stop, ..self }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// A beam search for this model: translations end at the length that it was trained for.
    pub fn beam(&self) -> BeamConfig {
        BeamConfig::new(Limits::new(EOS, self.max_len.target))
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
        let max = self.max_len.source;
        if tokens.len() > max {
            if self.overlong == Overlong::Refuse {
                let (side, steps) = (Side::Source, tokens.len());
                return Err(TooLong { place: place(), side, steps, fewest: false, max }.into());
            }
            tokens.truncate(max);
        }
        Ok(tokens)
    }

    /// The best translation of each sentence; of a blank one, nothing.
    ///
    /// # Errors
    ///
    /// Fails if a sentence is longer than the model takes, and is not to be cut.
    pub fn translate<S: AsRef<str>>(&self, sentences: &[S]) -> Result<Vec<Translation>, Error> {
        let encode = |(index, sentence): (usize, &S)| match sentence.as_ref() {
            blank if blank.trim().is_empty() => Ok(Vec::new()),
            sentence => self.encode(sentence, || format!("sentence {}", index + 1)),
        };
        let sources =
            sentences.iter().enumerate().map(encode).collect::<Result<Vec<_>, EncodeError>>()?;
        Ok(self.search(&sources, &self.beam())?.into_iter().map(best).collect())
    }

    /// The `n_best` translations of each sentence, the best first; of no token, none.
    ///
    /// # Errors
    ///
    /// Fails if the search is configured wrongly, the model answers with it, or it is stopped.
    pub fn search(
        &self,
        sentences: &[Vec<u32>],
        beam: &BeamConfig,
    ) -> Result<Vec<Vec<Translation>>, Error> {
        beam.validate()?;
        let mut found = vec![Vec::new(); sentences.len()];
        for mut rows in batches(sentences, beam.beams) {
            rows.retain(|&row| !sentences[row].is_empty());
            if rows.is_empty() {
                continue;
            }
            if self.stop.is_stopped() {
                return Err(Error::Stopped);
            }
            let sources: Vec<&[u32]> = rows.iter().map(|&row| &*sentences[row]).collect();
            let batch = TokenBatch::from_rows(&sources);
            let hypotheses = self.model.search(&batch, beam, &self.device)?;
            for (&row, hypotheses) in rows.iter().zip(hypotheses) {
                found[row] = self.translations(hypotheses)?;
            }
        }
        Ok(found)
    }

    /// The best translation of the source of each pair of a file.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) and [`search`](Self::search).
    pub fn translate_pairs(
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
        Ok(self.search(&sentences, &beam)?.into_iter().map(best).collect())
    }

    fn translations(&self, found: Vec<Hypothesis>) -> Result<Vec<Translation>, TokenizerError> {
        let translation = |Hypothesis { tokens, score, finished, .. }: Hypothesis| {
            // One line, whatever the model writes: results are read line by line.
            let text = self.vocabulary.target.decode(&tokens)?.replace(['\n', '\r'], " ");
            Ok(Translation { text, tokens, finished, score })
        };
        found.into_iter().map(translation).collect()
    }

    /// How a translation attended to its source: a row for each of its tokens, and one for its end
    /// if it came to it. `None` if the model does not attend, or there is nothing to show.
    pub fn alignments(&self, source: &[u32], translation: &Translation) -> Option<Alignments> {
        // What the decoder reads at each step is what it wrote at the one before: of the last token
        // of a translation without an end nothing was read.
        let tokens = translation.tokens.as_slice();
        let tokens = if translation.finished { tokens } else { tokens.split_last()?.1 };
        let read = [&[BOS], tokens].concat();
        let read = TensorData::new(read.clone(), [1, read.len()]);
        let target = Tensor::<2, Int>::from_data(read, &self.device); // [1, t]
        self.model.alignments(&TokenBatch::from_rows(&[source]), target)
    }
}

fn best(found: Vec<Translation>) -> Translation {
    found.into_iter().next().unwrap_or_default()
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
