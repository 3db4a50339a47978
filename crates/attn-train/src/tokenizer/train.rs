//! Learning a vocabulary from text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokenizers::decoders::fuse::Fuse;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{NFC, Replace, Sequence as Normalizers, Strip};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::{AddedToken, NormalizedString, Normalizer, SplitDelimiterBehavior};

use super::{SPECIALS, Tokenizer, TokenizerError, UNK};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenizerKind {
    /// A Unicode character, in composed form (NFC). The vocabulary holds those of the training
    /// text; decoding gives the composed text back.
    Characters,
    /// A word with the space before it, written `▁` (U+2581), or a punctuation mark.
    ///
    /// Text is composed (NFC) and runs of white space are one space; decoding gives that text
    /// back.
    Words {
        /// Most tokens of the vocabulary. The most frequent words are in it; the rest are unknown,
        /// and a model learns what to make of unknown words only if there are some in training.
        vocab_size: usize,
    },
    /// A piece of a word, over bytes: byte-pair encoding (Sennrich et al. 2016) as in GPT-2
    /// (Radford et al. 2019). Nothing is unknown and decoding gives back every text unchanged.
    Bpe {
        /// Most tokens of the vocabulary; text with too few repeated pieces gives fewer.
        vocab_size: usize,
    },
}

/// Bytes, each of them a token of a byte-level vocabulary.
const BYTES: usize = 256;

/// A pair of pieces seen once tells nothing about the language.
const LEAST_PAIR_COUNT: u64 = 2;

impl Tokenizer {
    /// Learns a vocabulary. The same texts give the same vocabulary, on any number of threads.
    ///
    /// # Errors
    /// If there is no text, or `vocab_size` has no room for the special tokens (and, for
    /// [`TokenizerKind::Bpe`], the 256 bytes).
    pub fn train<S: AsRef<str> + Send>(
        kind: TokenizerKind,
        texts: impl IntoIterator<Item = S, IntoIter: Send>,
    ) -> Result<Self, TokenizerError> {
        let mut texts = texts.into_iter().filter(|text| !text.as_ref().is_empty()).peekable();
        if texts.peek().is_none() {
            return Err(TokenizerError::NoText);
        }
        let inner = match kind {
            TokenizerKind::Characters => characters(texts),
            TokenizerKind::Words { vocab_size } => {
                // One word at least.
                check_size(vocab_size, SPECIALS.len() + 1)?;
                words(vocab_size, texts)
            }
            TokenizerKind::Bpe { vocab_size } => {
                check_size(vocab_size, SPECIALS.len() + BYTES)?;
                byte_pairs(vocab_size, texts)
            }
        };
        Ok(Self::from_inner(inner.map_err(TokenizerError::Library)?))
    }

    /// Makes a tokenizer of the crate's one of ours: special tokens are not read from text.
    pub(super) fn from_inner(mut inner: tokenizers::Tokenizer) -> Self {
        inner.set_encode_special_tokens(true);
        let vocab_size = inner.get_vocab_size(true);
        Self { inner, vocab_size }
    }
}

fn check_size(vocab_size: usize, needed: usize) -> Result<(), TokenizerError> {
    if vocab_size < needed {
        return Err(TokenizerError::VocabularyTooSmall { vocab_size, needed });
    }
    Ok(())
}

fn specials() -> Vec<AddedToken> {
    SPECIALS.map(|token| AddedToken::from(token, true)).to_vec()
}

/// Byte-pair encoding without a pair: every character of a text is a token by itself.
fn characters<S: AsRef<str>>(
    texts: impl Iterator<Item = S>,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut alphabet = BTreeSet::new();
    for text in texts {
        let mut text = NormalizedString::from(text.as_ref());
        NFC.normalize(&mut text)?;
        alphabet.extend(text.get().chars());
    }
    let tokens = SPECIALS.iter().map(|token| token.to_string());
    let tokens = tokens.chain(alphabet.iter().map(char::to_string));
    let vocab: Vec<(String, u32)> = tokens.zip(0..).collect();
    let model = BPE::builder()
        .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), vec![])
        .unk_token(SPECIALS[UNK as usize].to_owned())
        .build()?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_normalizer(Some(NFC))?.with_decoder(Some(Fuse::new()));
    tokenizer.add_special_tokens(specials())?;
    Ok(tokenizer)
}

fn words<S: AsRef<str> + Send>(
    vocab_size: usize,
    texts: impl Iterator<Item = S> + Send,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    let one_space = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ")?;
    let normalizer =
        Normalizers::new(vec![NFC.into(), one_space.into(), Strip::new(true, true).into()]);
    let space = Metaspace::new('▁', PrependScheme::Always, true);
    let punctuation = Punctuation::new(SplitDelimiterBehavior::Isolated);
    let pre_tokenizer = PreTokenizers::new(vec![space.clone().into(), punctuation.into()]);

    let model = WordLevel::builder().unk_token(SPECIALS[UNK as usize].to_owned()).build()?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer))?.with_pre_tokenizer(Some(pre_tokenizer));
    tokenizer.with_decoder(Some(space));
    let trainer = WordLevelTrainer::builder()
        .vocab_size(vocab_size)
        .show_progress(false)
        .special_tokens(specials())
        .build()?;
    train(tokenizer, trainer.into(), texts)
}

fn byte_pairs<S: AsRef<str> + Send>(
    vocab_size: usize,
    texts: impl Iterator<Item = S> + Send,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(byte_level)).with_decoder(Some(byte_level));
    let trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(LEAST_PAIR_COUNT)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(specials())
        .build();
    train(tokenizer, trainer.into(), texts)
}

fn train<S: AsRef<str> + Send>(
    mut tokenizer: tokenizers::Tokenizer,
    mut trainer: TrainerWrapper,
    texts: impl Iterator<Item = S> + Send,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    tokenizer.train(&mut trainer, texts)?;
    Ok(tokenizer)
}
