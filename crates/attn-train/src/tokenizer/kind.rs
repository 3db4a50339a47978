//! What a token is.

use serde::{Deserialize, Serialize};
use tokenizers::decoders::fuse::Fuse;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{NFC, Replace, Sequence as Normalizers, Strip};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::{
    DecoderWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper, SplitDelimiterBehavior,
};

use super::TokenizerError;

/// What a token is.
///
/// Each composes its text first (NFC), so that it does not matter in which form a file or a keyboard
/// gives an accent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenizerKind {
    /// A Unicode character. The vocabulary holds those of the training text; decoding gives the
    /// composed text back.
    Characters,
    /// As [`Characters`](Self::Characters), but the vocabulary holds the most frequent ones alone; the
    /// rest are unknown.
    FrequentCharacters {
        /// Most tokens of the vocabulary.
        vocab_size: usize,
    },
    /// A word with the space before it, or a punctuation mark.
    ///
    /// Runs of white space are one space; decoding gives that text back.
    Words {
        /// Most tokens of the vocabulary. The most frequent words are in it; the rest are unknown,
        /// and a model learns what to make of unknown words only if there are some in training.
        vocab_size: usize,
    },
    /// A piece of a word, over bytes: byte-pair encoding (Sennrich et al. 2016) as in GPT-2
    /// (Radford et al. 2019). Nothing is unknown and decoding gives the composed text back.
    ///
    /// No token is longer than 256 bytes.
    Bpe {
        /// Most tokens of the vocabulary; text with too few repeated pieces gives fewer.
        vocab_size: usize,
    },
}

/// The longest word that byte pairs are learned from, in bytes; of a longer one, each part by itself. So
/// the time to learn does not grow with the square of the longest word: a line of 100 000 letters without
/// blanks has 391 words.
const LONGEST_WORD: usize = 256;

impl TokenizerKind {
    /// The fewest tokens that each text can have in a vocabulary of this kind, whatever it was trained
    /// on; for characters and words it is the number of tokens. So a text that is too long can be
    /// refused before a vocabulary is learned. No text has more tokens than bytes.
    ///
    /// # Errors
    /// If the `tokenizers` crate fails.
    pub fn fewest_tokens<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<usize>, TokenizerError> {
        let cutter = Cutter::new(*self).map_err(TokenizerError::Library)?;
        let count = |text| Ok(cutter.cut(text).map_err(TokenizerError::Library)?.len());
        texts.into_iter().map(count).collect()
    }
}

/// What a tokenizer does to text before and after its vocabulary.
pub(super) struct Cutter {
    pub normalizer: NormalizerWrapper,
    pub pre_tokenizer: Option<PreTokenizerWrapper>,
    pub decoder: DecoderWrapper,
    kind: TokenizerKind,
}

impl Cutter {
    pub(super) fn new(kind: TokenizerKind) -> tokenizers::Result<Self> {
        let (normalizer, pre_tokenizer, decoder) = match kind {
            TokenizerKind::Characters | TokenizerKind::FrequentCharacters { .. } => {
                (NFC.into(), None, Fuse::new().into())
            }
            TokenizerKind::Words { .. } => {
                let one_space = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ")?;
                let strip = Strip::new(true, true);
                let normalizers = vec![NFC.into(), one_space.into(), strip.into()];
                // The mark of a space is a space, of which no normalized text has another use; any
                // other mark, such as the usual `▁`, may be in a text for itself.
                let space = Metaspace::new(' ', PrependScheme::Always, true);
                let punctuation = Punctuation::new(SplitDelimiterBehavior::Isolated);
                let pre_tokenizers = vec![space.clone().into(), punctuation.into()];
                let pre_tokenizer = PreTokenizers::new(pre_tokenizers);
                (Normalizers::new(normalizers).into(), Some(pre_tokenizer.into()), space.into())
            }
            TokenizerKind::Bpe { .. } => {
                let byte_level = ByteLevel::new(false, true, true);
                (NFC.into(), Some(byte_level.into()), byte_level.into())
            }
        };
        Ok(Self { normalizer, pre_tokenizer, decoder, kind })
    }

    /// The words of a text: characters, words, or pieces that byte pairs do not cross, whose characters
    /// each stand for a byte.
    pub(super) fn cut(&self, text: &str) -> tokenizers::Result<Vec<String>> {
        let mut text = NormalizedString::from(text);
        self.normalizer.normalize(&mut text)?;
        let Some(pre_tokenizer) = &self.pre_tokenizer else {
            return Ok(text.get().chars().map(String::from).collect());
        };
        let mut text = PreTokenizedString::from(text);
        pre_tokenizer.pre_tokenize(&mut text)?;
        let words = text.get_splits(OffsetReferential::Original, OffsetType::None);
        let words = words.into_iter().map(|(word, ..)| word);
        Ok(match self.kind {
            TokenizerKind::Bpe { .. } => words.flat_map(parts).map(str::to_owned).collect(),
            _ => words.map(str::to_owned).collect(),
        })
    }
}

/// A word in parts of [`LONGEST_WORD`] characters.
fn parts(mut word: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = word.char_indices().nth(LONGEST_WORD).map_or(word.len(), |(end, _)| end);
        let (part, rest) = word.split_at(end);
        word = rest;
        (!part.is_empty()).then_some(part)
    })
}
