//! Learning a vocabulary from text.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::kind::Cutter;
use super::{SPECIALS, Tokenizer, TokenizerError, TokenizerKind, UNK, byte_pairs, words};
use crate::stop::StopSignal;

/// Bytes, each of them a token of a byte-level vocabulary.
const BYTES: usize = 256;

/// A pair of pieces seen once tells nothing about the language.
const LEAST_PAIR_COUNT: i64 = 2;

/// Four times the largest published vocabulary (XLM-V's million). A model of width 512 then has 8 GiB of
/// embeddings in f32, and as much again for the gradient and each moment of the optimizer.
pub(super) const MAX_VOCAB: usize = 1 << 22;

impl Tokenizer {
    /// Learns a vocabulary. The same texts give the same vocabulary, on any number of threads.
    ///
    /// # Errors
    /// If there is no text, or `vocab_size` has no room for the special tokens (and, for
    /// [`TokenizerKind::Bpe`], the 256 bytes) or is larger than 2²².
    pub fn train<S: AsRef<str> + Send>(
        kind: TokenizerKind,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<Self, TokenizerError> {
        Self::train_with_stop(kind, texts, &StopSignal::new())
    }

    /// [`train`](Self::train), unless `stop` is given meanwhile.
    ///
    /// # Errors
    /// As `train`, and [`TokenizerError::Stopped`].
    pub fn train_with_stop<S: AsRef<str> + Send>(
        kind: TokenizerKind,
        texts: impl IntoIterator<Item = S>,
        stop: &StopSignal,
    ) -> Result<Self, TokenizerError> {
        check_size(kind)?;
        let mut texts = texts.into_iter().filter(|text| !text.as_ref().is_empty()).peekable();
        if texts.peek().is_none() {
            return Err(TokenizerError::NoText);
        }
        let cutter = Cutter::new(kind).map_err(TokenizerError::Library)?;
        let counts = words::count(texts, &|text: &str| cutter.cut(text), stop)?;
        let model = match kind {
            TokenizerKind::Characters => characters(most_frequent(counts, usize::MAX)),
            TokenizerKind::FrequentCharacters { vocab_size } => {
                characters(most_frequent(counts, vocab_size - SPECIALS.len()))
            }
            TokenizerKind::Words { vocab_size } => {
                whole_words(most_frequent(counts, vocab_size - SPECIALS.len()))
            }
            TokenizerKind::Bpe { vocab_size } => {
                let alphabet = ByteLevel::alphabet();
                let learned =
                    byte_pairs::learn(counts, alphabet, vocab_size, LEAST_PAIR_COUNT, stop)?;
                pieces(learned)
            }
        };
        let mut tokenizer = tokenizers::Tokenizer::new(model.map_err(TokenizerError::Library)?);
        tokenizer
            .with_normalizer(Some(cutter.normalizer))
            .map_err(TokenizerError::Library)?
            .with_pre_tokenizer(cutter.pre_tokenizer)
            .with_decoder(Some(cutter.decoder));
        Ok(Self::from_inner(tokenizer))
    }

    /// Makes a tokenizer of the crate's one of ours. Files of before name the special tokens as such;
    /// they are not read from text for that.
    pub(super) fn from_inner(mut inner: tokenizers::Tokenizer) -> Self {
        inner.set_encode_special_tokens(true);
        let vocab_size = inner.get_vocab_size(true);
        Self { inner, vocab_size }
    }
}

/// What a vocabulary always holds must fit, and it must fit into memory.
fn check_size(kind: TokenizerKind) -> Result<(), TokenizerError> {
    let (vocab_size, needed) = match kind {
        TokenizerKind::Characters => return Ok(()),
        // One at least beside the special tokens.
        TokenizerKind::FrequentCharacters { vocab_size } | TokenizerKind::Words { vocab_size } => {
            (vocab_size, SPECIALS.len() + 1)
        }
        TokenizerKind::Bpe { vocab_size } => (vocab_size, SPECIALS.len() + BYTES),
    };
    if vocab_size < needed {
        return Err(TokenizerError::VocabularyTooSmall { vocab_size, needed });
    }
    if vocab_size > MAX_VOCAB {
        return Err(TokenizerError::VocabularyTooLarge { vocab_size });
    }
    Ok(())
}

/// The `room` most frequent words, the most frequent first, of equals in the order of their characters.
fn most_frequent(counts: HashMap<String, u64>, room: usize) -> Vec<String> {
    let mut words: Vec<(String, u64)> = counts.into_iter().collect();
    // A space as its usual mark, so that a text has the ids that it had when spaces were marked so.
    words.sort_by_cached_key(|(word, count)| (Reverse(*count), word.replace(' ', "▁")));
    words.truncate(room);
    words.into_iter().map(|(word, _)| word).collect()
}

/// Special tokens, then `tokens`.
///
/// The special ones are ordinary entries of the vocabulary, not the "added tokens" of the file, which
/// Python's `tokenizers` would find in text: no text is cut so that it spells one, so neither library
/// reads `</s>` as the end of a sentence.
fn vocabulary(tokens: Vec<String>) -> Vocab {
    SPECIALS.map(String::from).into_iter().chain(tokens).zip(0..).collect()
}

/// Byte-pair encoding without a pair: every character of a text is a token by itself.
fn characters(mut characters: Vec<String>) -> tokenizers::Result<ModelWrapper> {
    characters.sort_unstable();
    let model = BPE::builder()
        .vocab_and_merges(vocabulary(characters), vec![])
        .unk_token(SPECIALS[UNK as usize].to_owned());
    Ok(model.build()?.into())
}

fn whole_words(words: Vec<String>) -> tokenizers::Result<ModelWrapper> {
    let unknown = SPECIALS[UNK as usize].to_owned();
    Ok(WordLevel::builder().vocab(vocabulary(words)).unk_token(unknown).build()?.into())
}

fn pieces(learned: byte_pairs::Learned) -> tokenizers::Result<ModelWrapper> {
    let vocabulary: Vocab = learned.tokens.into_iter().zip(0..).collect();
    Ok(BPE::builder().vocab_and_merges(vocabulary, learned.merges).build()?.into())
}
