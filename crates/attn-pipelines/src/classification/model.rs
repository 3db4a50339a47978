//! What is trained.

use std::sync::{Mutex, PoisonError};

use attn_rnn::{
    Classified, Classifier, ClassifierConfig, ConfigError, EncoderConfig, PoolingConfig,
    RecurrentConfig,
};
use burn::module::Module;
use burn::nn::{Embedding, Initializer, Linear, LinearConfig};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::features::RATIOS;
use crate::memory::{self, TooLarge};
use crate::parameters;

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Its name in the table.
    pub name: String,
    /// How the states of the words become one vector.
    pub pooling: PoolingConfig,
    /// Whether it reads backwards too.
    #[serde(default)]
    pub bidirectional: bool,
    /// Width of the vector of a word.
    pub d_word: usize,
    /// Width of a state, in each direction.
    pub d_hidden: usize,
    /// Standard deviation of the first vectors of words.
    #[serde(default = "one")]
    pub word_std: f64,
    /// Probability that the vector of a word of a training sentence is that of unknown words.
    #[serde(default)]
    pub word_dropout: f64,
    /// Probability that the log ratios of a word of a training sentence are 0.
    #[serde(default)]
    pub ratio_dropout: f64,
    /// Probability to drop a feature of a word.
    #[serde(default)]
    pub dropout: f64,
    /// Probability to drop a feature of the pooled vector.
    #[serde(default)]
    pub pooled_dropout: f64,
    /// Weight of the penalty that keeps hops apart.
    #[serde(default)]
    pub penalty: f64,
    /// Whether the log ratios of a word are read beside its vector.
    #[serde(default)]
    pub log_ratios: bool,
}

fn one() -> f64 {
    1.0
}

/// Why a model cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The classifier.
    #[error(transparent)]
    Classifier(#[from] ConfigError),
    /// More weights than memory.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A probability out of its range.
    #[error("{key} = {value} is outside [0, 1)")]
    NoProbability {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A number out of its range.
    #[error("{key} = {value} must be 0 or a positive number")]
    Negative {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
}

impl ModelSettings {
    /// Refuses what cannot be built.
    ///
    /// # Errors
    ///
    /// Names the setting.
    pub fn validate(&self) -> Result<(), ModelError> {
        memory::check(memory::of_recurrent(&RecurrentConfig::lstm(self.d_word, self.d_hidden)))?;
        for (key, value) in [("word_std", self.word_std), ("penalty", self.penalty)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(ModelError::Negative { key, value });
            }
        }
        for (key, value) in
            [("word_dropout", self.word_dropout), ("ratio_dropout", self.ratio_dropout)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(ModelError::NoProbability { key, value });
            }
        }
        Ok(self.config(1).validate()?)
    }

    fn config(&self, vocab: usize) -> ClassifierConfig {
        let layers = RecurrentConfig {
            bidirectional: self.bidirectional,
            ..RecurrentConfig::lstm(self.d_word, self.d_hidden)
        };
        let encoder = EncoderConfig { dropout: self.dropout, ..EncoderConfig::new(vocab, layers) };
        let dropout = self.pooled_dropout;
        ClassifierConfig { dropout, ..ClassifierConfig::new(encoder, self.pooling.clone(), 2) }
    }

    /// The model, with weights that follow from the seed.
    pub(super) fn init(&self, vocab: usize, seed: u64, device: &Device) -> WordClassifier {
        /// All threads draw parameters from one generator of the device.
        static DRAWING: Mutex<()> = Mutex::new(());

        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        device.seed(seed);
        let mut classifier = self.config(vocab).init(device);
        let normal = Initializer::Normal { mean: 0.0, std: self.word_std };
        let weight = normal.init([vocab, self.d_word], device);
        classifier.encoder.embedding = Embedding { weight };
        let ratios = LinearConfig::new(RATIOS, self.d_word).with_bias(false);
        let ratios = self.log_ratios.then(|| ratios.init(device));
        let classifier = WordClassifier { classifier, ratios };
        parameters::draw(&classifier);
        classifier
    }
}

/// A classifier of words with what counts say about them.
#[derive(Module, Debug)]
pub(super) struct WordClassifier {
    classifier: Classifier,
    /// Log ratios into the vectors of words, `[RATIOS, d_word]`.
    ratios: Option<Linear>,
}

impl WordClassifier {
    /// Logits of complaint and praise.
    pub(super) fn forward(&self, batch: &Batch, device: &Device) -> Classified {
        let words = self.classifier.encoder.embedding.forward(batch.tokens(device)); // [b, s, d_word]
        let x = match &self.ratios {
            Some(ratios) => words + ratios.forward(batch.ratios(device)),
            None => words,
        };
        self.classifier.forward_vectors(x, &batch.lengths)
    }
}
