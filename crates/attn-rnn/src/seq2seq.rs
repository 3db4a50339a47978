//! The recurrent encoder–decoder.

use crate::bridge::{Bridge, BridgeKind};
use crate::config::{self, ConfigError, ConfigFileError, check_version};
use crate::decoder::{Decoded, Decoder, DecoderConfig, DecoderMemory, DecoderState, Hidden};
use crate::encoder::{Encoder, EncoderConfig};
use crate::pointer::{IMPOSSIBLE, SourceWords};
use attn_generate::{Start, StepDecoder};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of a [`Seq2Seq`] model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seq2SeqConfig {
    /// Version of the JSON form, see [`config::VERSION`].
    #[serde(default = "config::first_version")]
    pub version: u32,
    /// Encodes the source.
    pub encoder: EncoderConfig,
    /// How the decoder's first states are computed.
    #[serde(default)]
    pub bridge: BridgeKind,
    /// Predicts the target.
    pub decoder: DecoderConfig,
}

impl Seq2SeqConfig {
    /// Encoder and decoder with a dense bridge between them.
    pub fn new(encoder: EncoderConfig, decoder: DecoderConfig) -> Self {
        Self { version: config::VERSION, encoder, bridge: BridgeKind::default(), decoder }
    }

    /// Another bridge.
    pub fn with_bridge(self, bridge: BridgeKind) -> Self {
        Self { bridge, ..self }
    }

    /// # Errors
    /// If the configuration describes no model; the error names the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_version(self.version, config::VERSION)?;
        self.encoder.validate()?;
        self.decoder.validate(self.encoder.recurrent.d_output())?;
        self.bridge.validate(&self.encoder.recurrent, &self.decoder.recurrent)
    }

    /// Reads a configuration from a JSON file and validates it.
    ///
    /// # Errors
    /// If the file cannot be read, is not of the JSON form, or describes no model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigFileError> {
        config::load(path.as_ref(), config::VERSION, Self::validate)
    }

    /// Writes the configuration to a JSON file, which is replaced whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ConfigFileError> {
        config::save(self, path.as_ref())
    }

    /// The model, with random weights.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Seq2Seq {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let (from, to) = (&self.encoder.recurrent, &self.decoder.recurrent);
        Seq2Seq {
            encoder: self.encoder.init(device),
            bridge: self.bridge.init(from, to, device),
            decoder: self.decoder.init(from.d_output(), device),
        }
    }
}

/// A recurrent encoder, and a recurrent decoder that attends to its annotations.
#[derive(Module, Debug)]
pub struct Seq2Seq {
    /// Encodes the source.
    pub encoder: Encoder,
    /// Makes the decoder's first state of the encoder's last.
    pub bridge: Bridge,
    /// Predicts the target.
    pub decoder: Decoder,
}

impl Seq2Seq {
    /// Logits of each target token's successor, given the source and the target up to it.
    ///
    /// The target needs no lengths: no step depends on what follows it, so that padding at its end
    /// changes the results of padding alone.
    ///
    /// # Shapes
    /// - `source`: `[b, s]`, of which `lengths` say how many steps are real
    /// - `target`: `[b, t]`, what the decoder is given: the start token and all but the last token
    /// - result: `[b, t, vocab]`, see [`Decoded::logits`]
    ///
    /// # Panics
    /// If the shapes or lengths do not fit, or as [`memory`](Self::memory).
    pub fn forward(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Tensor<3> {
        self.decode(source, lengths, target).logits
    }

    /// [`forward`](Self::forward), with the weights `[b, t, s]` of the source steps at each target
    /// step.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn decode(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Decoded {
        let memory = self.memory(source, lengths);
        self.decoder.decode(target, &memory, &mut self.decoder.begin(&memory))
    }

    /// Features of the target tokens before the output layer: [`forward`](Self::forward) is its product with the
    /// [`projection`](Self::projection), of a model that does not copy.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn hidden(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        target: Tensor<2, Int>,
    ) -> Hidden {
        let memory = self.memory(source, lengths);
        self.decoder.hidden(target, &memory, &mut self.decoder.begin(&memory))
    }

    /// Weight `[d_features, vocab]` and bias `[vocab]` of the output layer, for a loss that computes the
    /// logits of [`hidden`](Self::hidden) features in parts.
    pub fn projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        let head = &self.decoder.head;
        (head.weight.val(), head.bias.as_ref().map(Param::val))
    }

    /// The source as the decoder attends to it, with projected keys.
    ///
    /// Of a model that copies, source and target have one vocabulary here, and the source's tokens are
    /// the words to copy; for others there is [`memory_to_copy`](Self::memory_to_copy).
    ///
    /// # Panics
    /// If the lengths do not fit, or a token that might be copied is not in the target's vocabulary.
    pub fn memory(&self, source: Tensor<2, Int>, lengths: &[usize]) -> DecoderMemory {
        let words = self.decoder.copy.as_ref().map(|_| {
            let vocab = self.decoder.vocab();
            SourceWords::new(source.clone(), vocab).unwrap_or_else(|error| panic!("{error}"))
        });
        self.project_memory(source, lengths, words)
    }

    /// [`memory`](Self::memory) of a source whose words to copy are other ids than its tokens: those
    /// that they have in the target's vocabulary, or behind it those of words that it lacks (See et
    /// al. 2017, section 2.2).
    ///
    /// # Examples
    /// ```
    /// use attn_core::mechanism::AttentionConfig;
    /// use attn_core::score::{GeneralConfig, ScoreConfig};
    /// use attn_generate::{Limits, greedy};
    /// use attn_rnn::pointer::SourceWords;
    /// use attn_rnn::{
    ///     CopyConfig, DecoderConfig, EncoderConfig, FlowConfig, LuongConfig, RecurrentConfig,
    ///     Seq2SeqConfig,
    /// };
    /// use burn::tensor::{Device, Int, Tensor};
    ///
    /// let device = Device::default();
    /// let score = ScoreConfig::General(GeneralConfig::new(24, 16));
    /// let flow = LuongConfig::new(AttentionConfig::new().with_score(score));
    /// // 60 target tokens, of which 3 is read where a word is none of them.
    /// let decoder = DecoderConfig::new(60, RecurrentConfig::gru(8, 24), FlowConfig::Luong(flow))
    ///     .with_copy(CopyConfig::new().with_unknown(3));
    /// let encoder = EncoderConfig::new(90, RecurrentConfig::gru(8, 16));
    /// let model = Seq2SeqConfig::new(encoder, decoder).init(&device);
    ///
    /// // The first sentence has two words that the target's vocabulary lacks, the second one, which
    /// // is another.
    /// let source = Tensor::<2, Int>::from_data([[80, 7, 88, 9], [8, 89, 6, 0]], &device);
    /// let words = Tensor::<2, Int>::from_data([[60, 12, 61, 14], [13, 60, 15, 0]], &device);
    /// let words = SourceWords::new(words, 62)?;
    /// let memory = model.memory_to_copy(source, &[4, 3], words);
    ///
    /// let target = Tensor::<2, Int>::from_data([[1, 61, 20], [1, 60, 21]], &device);
    /// let decoded = model.decoder.decode(target, &memory, &mut model.decoder.begin(&memory));
    /// assert_eq!(decoded.logits.dims(), [2, 3, 62]);
    /// assert_eq!(decoded.p_gen.unwrap().dims(), [2, 3]);
    ///
    /// // Generated tokens may be 60 and 61, each sentence's own words.
    /// let found = greedy(&model, model.start(memory, 1), Limits::new(2, 6))?.hypotheses()?;
    /// assert!(found[1].tokens.iter().all(|&token| token < 61));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If the model does not copy, the words are not as many as the source has, the extended vocabulary
    /// is smaller than the vocabulary, or it is larger and the configuration has no `unknown`.
    pub fn memory_to_copy(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        words: SourceWords,
    ) -> DecoderMemory {
        let copy = self.decoder.copy.as_ref();
        let copy = copy.expect("the model does not copy: decoder.copy is not configured");
        copy.check(&words, source.dims(), self.decoder.vocab());
        self.project_memory(source, lengths, Some(words))
    }

    fn project_memory(
        &self,
        source: Tensor<2, Int>,
        lengths: &[usize],
        words: Option<SourceWords>,
    ) -> DecoderMemory {
        let annotations = self.encoder.forward(source, lengths);
        let start = self.bridge.forward(annotations.states.clone());
        self.decoder.project_memory(annotations, start, words)
    }

    /// Where generation starts: each target with the token `begin`.
    pub fn start(&self, memory: DecoderMemory, begin: u32) -> Start<Seq2SeqState> {
        let rows = memory.rows();
        Start::tokens(self.state(memory), vec![begin; rows])
    }

    /// Before the first target token.
    pub fn state(&self, memory: DecoderMemory) -> Seq2SeqState {
        let state = self.decoder.begin(&memory);
        Seq2SeqState { sources: (0..memory.rows()).collect(), memory, state }
    }
}

/// What a [`Seq2Seq`] model keeps from one step to the next: the source, and the state of the decoder.
#[derive(Clone, Debug)]
pub struct Seq2SeqState {
    memory: DecoderMemory,
    state: DecoderState,
    /// For each row, the sentence that its memory is of, as numbered at the start.
    sources: Vec<usize>,
}

impl Seq2SeqState {
    /// The decoder's part: how many tokens there are, and the weights of the last step.
    pub fn decoder(&self) -> &DecoderState {
        &self.state
    }
}

impl StepDecoder for Seq2Seq {
    type State = Seq2SeqState;

    /// A word behind the vocabulary that a sentence does not have to copy is forbidden.
    ///
    /// # Panics
    /// If there is not one token per row, or a token is not below the target vocabulary, which words to
    /// copy may extend.
    fn step(&self, mut state: Self::State, tokens: &[u32]) -> (Tensor<2>, Self::State) {
        let vocab = self.decoder.vocab();
        let extended = state.memory.words().map_or(vocab, SourceWords::extended);
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= extended) {
            panic!("token {token} is out of range, the vocabulary has {extended}");
        }
        let indices: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let data = TensorData::new(indices, [tokens.len(), 1]);
        let target = Tensor::from_data(data, &self.decoder.embedding.weight.device());
        let decoded = self.decoder.decode(target, &state.memory, &mut state.state);
        let logits = decoded.logits.squeeze_dim::<2>(1); // [r, extended]
        (forbid_impossible(logits, vocab), state)
    }

    /// # Panics
    /// If a row is out of range.
    fn reorder(&self, mut state: Self::State, rows: &[usize]) -> Self::State {
        let count = state.sources.len();
        if let Some(row) = rows.iter().find(|&&row| row >= count) {
            panic!("row {row} is out of range, the batch has {count}");
        }
        state.state = state.state.select_rows(rows);
        let sources: Vec<usize> = rows.iter().map(|&row| state.sources[row]).collect();
        // A search mostly moves hypotheses among those of their own sentence, whose memory is one:
        // then there is nothing to copy.
        if sources != state.sources {
            state.memory = state.memory.select_rows(rows);
            state.sources = sources;
        }
        state
    }

    /// `None` before the first step, and where the decoder has no attention.
    fn attention(&self, state: &Self::State) -> Option<Vec<Vec<f32>>> {
        let weights = state.state.weights()?; // [r, s]
        let [rows, steps] = weights.dims();
        if steps == 0 {
            return Some(vec![Vec::new(); rows]);
        }
        let weights: Vec<f32> = weights.into_data().iter().collect();
        let rows = weights.chunks(steps).zip(&state.memory.lengths);
        Some(rows.map(|(row, &length)| row[..length].to_vec()).collect())
    }
}

/// Logits whose words behind the vocabulary are −∞ where they have no probability.
fn forbid_impossible(logits: Tensor<2>, vocab: usize) -> Tensor<2> {
    let [_, extended] = logits.dims();
    if extended == vocab {
        return logits;
    }
    let known = logits.clone().slice_dim(1, 0..vocab);
    let beyond = logits.slice_dim(1, vocab..extended);
    // In the precision of the logits, in which half precision rounds it.
    let impossible = beyond.clone().full_like(IMPOSSIBLE);
    let none = beyond.clone().lower_equal(impossible);
    Tensor::cat(vec![known, beyond.mask_fill(none, f32::NEG_INFINITY)], 1)
}
