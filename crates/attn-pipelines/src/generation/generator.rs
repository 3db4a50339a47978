//! A trained model that goes on writing.

use std::path::Path;

use attn_generate::{Generation, Limits, SamplerConfig, sample};
use attn_train::Checkpoint;
use attn_train::tokenizer::{EOS, Tokenizer};
use attn_transformer::DecoderOnly;
use burn::tensor::Device;

use super::TextSettings;
use crate::{Error, RunDir, run_record};

/// A trained decoder-only model with its vocabulary: text in, the text that may follow it out.
///
/// ```no_run
/// use attn_pipelines::{DeviceName, TextGenerator};
///
/// let generator = TextGenerator::load("runs/gpt", &DeviceName::Auto.open()?)?;
/// for piece in generator.stream("Attention is", &generator.sampler(200, 7))? {
///     print!("{}", piece?);
/// }
/// # Ok::<(), attn_pipelines::Error>(())
/// ```
#[derive(Debug)]
pub struct TextGenerator {
    model: DecoderOnly,
    tokenizer: Tokenizer,
    /// The most tokens that the model can read, where there is a limit.
    max_len: Option<usize>,
}

impl TextGenerator {
    /// The best model of a run.
    ///
    /// # Errors
    ///
    /// Fails if a file of the run is missing, damaged or of another model.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let run = RunDir::open(folder.as_ref())?;
        let settings = TextSettings::load(&run.settings())?;
        let tokenizer = Tokenizer::load(run.tokenizer())?;
        let (tokens, model) = (tokenizer.vocab_size(), settings.model.vocab);
        if tokens != model {
            return Err(Error::OtherTokenizer { tokens, model });
        }
        // Its parameters are never drawn: those of the checkpoint take their place.
        let checkpoint = Checkpoint::best(run.path())?;
        let vocabulary = [("the tokenizer", run.tokenizer())];
        checkpoint.check(&run_record::of_run(&settings.model, &vocabulary)?)?;
        let model = checkpoint.load_model(settings.model.init(device))?;
        let limits = [model.max_len(), settings.model.block.mechanism.max_keys()];
        let max_len = limits.into_iter().flatten().min();
        Ok(Self { model, tokenizer, max_len })
    }

    /// Draws from the model's own distribution, up to `tokens` tokens; a model with a table of
    /// positions ends with them.
    pub fn sampler(&self, tokens: usize, seed: u64) -> SamplerConfig {
        SamplerConfig::new(Limits::new(EOS, tokens), seed)
    }

    /// What may follow a prompt, as it is written.
    ///
    /// # Errors
    ///
    /// Fails if the prompt has no token, it has with what is to follow more tokens than the model
    /// has positions, or the sampler is configured wrongly.
    pub fn stream(&self, prompt: &str, sampler: &SamplerConfig) -> Result<TextStream<'_>, Error> {
        let prompt = self.tokenizer.encode(prompt)?;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if let Some(positions) = self.max_len {
            // The last token that is drawn is not read.
            let tokens = (prompt.len() - 1).saturating_add(sampler.limits.max_len);
            if tokens > positions {
                return Err(Error::PastPositions { tokens, positions });
            }
        }
        let generation = sample(&self.model, self.model.start(vec![prompt]), sampler.clone())?;
        let (tokens, shown) = (Vec::new(), 0);
        Ok(TextStream { tokenizer: &self.tokenizer, generation, tokens, shown })
    }

    /// All of [`stream`](Self::stream) at once.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream).
    pub fn generate(&self, prompt: &str, sampler: &SamplerConfig) -> Result<String, Error> {
        self.stream(prompt, sampler)?.collect()
    }
}

/// Pieces of text, each as soon as it is certain: an iterator.
///
/// A token may be a part of a character: then nothing is there until the rest has come.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    generation: Generation<'a, DecoderOnly>,
    tokens: Vec<u32>,
    /// Bytes of the text of the tokens that were given away.
    shown: usize,
}

impl Iterator for TextStream<'_> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let ended = match self.generation.next() {
                Some(Err(error)) => return Some(Err(error.into())),
                Some(Ok(choices)) => {
                    self.tokens.extend(choices.iter().map(|choice| choice.token));
                    false
                }
                None => true,
            };
            let text = match self.tokenizer.decode(&self.tokens) {
                Ok(text) => text,
                Err(error) => return Some(Err(error.into())),
            };
            // The bytes of a character that is not complete read so.
            let certain = if ended { &text } else { text.trim_end_matches('\u{fffd}') };
            if let Some(piece) = certain.get(self.shown..).filter(|piece| !piece.is_empty()) {
                self.shown = certain.len();
                return Some(Ok(piece.to_owned()));
            }
            if ended {
                return None;
            }
        }
    }
}
