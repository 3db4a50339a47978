//! Text to tokens, on both sides.

use std::path::{Path, PathBuf};

use super::{Architecture, Settings};
use crate::RunDir;
use attn_train::StopSignal;
use attn_train::batch::{BatchError, Overlong, TokenPair, limit_lengths};
use attn_train::data::{Pair, Side};
use attn_train::tokenizer::{Tokenizer, TokenizerError, TokenizerKind};

/// The tokenizers of what is read and of what is written.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// Of what is read.
    pub source: Tokenizer,
    /// Of what is written.
    pub target: Tokenizer,
}

/// A sentence that is longer than was agreed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place}: the {side} has {}{steps} tokens, but the model takes {max}: shorten it, give \
     --truncate to have it cut, or train with a larger `max_len` in --config",
    if *fewest { "at least " } else { "" }
)]
pub struct TooLong {
    /// File and line, or where else it came from.
    pub place: String,
    /// Which side of a pair.
    pub side: Side,
    /// Its length.
    pub steps: usize,
    /// Whether that is the least that it can be, since there are no tokens yet.
    pub fewest: bool,
    /// The longest allowed.
    pub max: usize,
}

/// Tokenizers and a model that do not belong together: some token would have no embedding.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {side} tokenizer has {tokens} tokens, but the model has {model}: they are of different \
     runs"
)]
pub struct OtherVocabulary {
    /// Which side.
    pub side: Side,
    /// Size of the vocabulary.
    pub tokens: usize,
    /// Size that the model was made for.
    pub model: usize,
}

/// Text that cannot be made into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The tokenizer refused.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A sentence is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The pairs make no batch.
    #[error("{}: {source}", .path.display())]
    Batch {
        /// The file they came from.
        path: PathBuf,
        /// Why.
        source: BatchError,
    },
}

impl Vocabulary {
    /// Learns the tokens of both sides, or, if the model has one table for both, of all together;
    /// unless `stop` is given meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if the vocabulary is too small or too large, there is no text, or it is stopped.
    pub fn train<C: Architecture>(
        settings: &Settings<C>,
        pairs: &[Pair],
        stop: &StopSignal,
    ) -> Result<Self, TokenizerError> {
        // Others are learned in a moment; then there is a run, which can be gone on with.
        let never = StopSignal::new();
        let stop =
            if matches!(settings.tokenizer, TokenizerKind::Bpe { .. }) { stop } else { &never };
        let sources = pairs.iter().map(|pair| pair.source.as_str());
        let targets = pairs.iter().map(|pair| pair.target.as_str());
        if settings.model.shares_vocabulary() {
            let both = sources.chain(targets);
            let both = Tokenizer::train_with_stop(settings.tokenizer, both, stop)?;
            return Ok(Self { source: both.clone(), target: both });
        }
        Ok(Self {
            source: Tokenizer::train_with_stop(settings.tokenizer, sources, stop)?,
            target: Tokenizer::train_with_stop(settings.tokenizer, targets, stop)?,
        })
    }

    /// Reads the tokenizers of a run.
    ///
    /// # Errors
    ///
    /// Fails if one is missing or damaged.
    pub fn load(run: &RunDir) -> Result<Self, TokenizerError> {
        Ok(Self {
            source: Tokenizer::load(run.source_tokenizer())?,
            target: Tokenizer::load(run.target_tokenizer())?,
        })
    }

    /// Writes the tokenizers of a run.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    pub fn save(&self, run: &RunDir) -> Result<(), TokenizerError> {
        self.source.save(run.source_tokenizer())?;
        self.target.save(run.target_tokenizer())
    }

    /// The sizes for source and target.
    pub fn sizes(&self) -> [usize; 2] {
        [self.source.vocab_size(), self.target.vocab_size()]
    }

    /// Refuses a model that was made for other vocabularies.
    ///
    /// # Errors
    ///
    /// Names the sizes that differ.
    pub fn check(&self, model: &impl Architecture) -> Result<(), OtherVocabulary> {
        let [source, target] = model.vocabularies();
        let sides = [
            (Side::Source, self.source.vocab_size(), source),
            (Side::Target, self.target.vocab_size(), target),
        ];
        match sides.into_iter().find(|(_, tokens, model)| tokens != model) {
            None => Ok(()),
            Some((side, tokens, model)) => Err(OtherVocabulary { side, tokens, model }),
        }
    }

    /// The pairs of a file as tokens, none longer than the settings allow.
    ///
    /// # Errors
    ///
    /// Fails at the first pair that is too long, if such pairs are refused.
    pub fn encode<C>(
        &self,
        pairs: &[Pair],
        settings: &Settings<C>,
        file: &Path,
    ) -> Result<Vec<TokenPair>, EncodeError> {
        let encode = |pair: &Pair| {
            Ok(TokenPair {
                source: self.source.encode(&pair.source)?,
                target: self.target.encode(&pair.target)?,
            })
        };
        let mut tokens = pairs.iter().map(encode).collect::<Result<Vec<_>, TokenizerError>>()?;
        let changed = limit_lengths(&mut tokens, settings.max_len, settings.overlong)
            .map_err(|error| place(error, file))?;
        if changed > 0 {
            tracing::warn!(pairs = changed, file = %file.display(), "too long: cut or left out");
        }
        Ok(tokens)
    }
}

/// Refuses pairs that are too long whatever is learned from them, so that nobody waits for a vocabulary
/// to be told so.
///
/// # Errors
///
/// Fails at the first such pair, if pairs that are too long are refused.
pub fn refuse_overlong<C>(
    settings: &Settings<C>,
    pairs: &[Pair],
    file: &Path,
) -> Result<(), EncodeError> {
    let Settings { tokenizer, max_len, overlong: Overlong::Refuse, .. } = settings else {
        return Ok(());
    };
    for (index, pair) in pairs.iter().enumerate() {
        // A target has its end token too.
        let sides = [
            (Side::Source, &pair.source, 0, max_len.source),
            (Side::Target, &pair.target, 1, max_len.target),
        ];
        for (side, text, end, max) in sides {
            // No text has more tokens than bytes.
            if text.len() + end <= max {
                continue;
            }
            let steps = tokenizer.fewest_tokens([text.as_str()])?[0] + end;
            if steps > max {
                let place = format!("{}:{}", file.display(), index + 1);
                let fewest = matches!(tokenizer, TokenizerKind::Bpe { .. });
                return Err(TooLong { place, side, steps, fewest, max }.into());
            }
        }
    }
    Ok(())
}

/// Says in which line of a file a pair is too long; every line of it is a pair.
fn place(error: BatchError, file: &Path) -> EncodeError {
    match error {
        BatchError::TooLong { pair, side, steps, max } => {
            let place = format!("{}:{pair}", file.display());
            TooLong { place, side, steps, fewest: false, max }.into()
        }
        source => EncodeError::Batch { path: file.into(), source },
    }
}

#[cfg(test)]
mod tests {
    use attn_transformer::{EncoderDecoderConfig, Tying};

    use super::*;
    use crate::translation::presets;

    fn pairs() -> Vec<Pair> {
        [("ab", "c"), ("abcdefg", "cd"), ("b", "dd")]
            .map(|(source, target)| Pair { source: source.into(), target: target.into() })
            .to_vec()
    }

    fn settings(overlong: Overlong) -> Settings<EncoderDecoderConfig> {
        let mut settings = Settings { overlong, ..presets::tests::dates() };
        settings.max_len.source = 5;
        settings
    }

    #[test]
    fn a_pair_that_is_too_long_is_named_by_its_line() {
        let settings = settings(Overlong::Refuse);
        let vocabulary = Vocabulary::train(&settings, &pairs(), &StopSignal::new()).unwrap();
        let error = vocabulary.encode(&pairs(), &settings, Path::new("my.tsv")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("my.tsv:2: the source has 7 tokens, but the model takes 5"),
            "{text}"
        );
    }

    /// One line of 100 000 characters without blanks: no vocabulary is needed to refuse it.
    #[test]
    fn a_line_that_is_too_long_for_any_vocabulary_is_refused_before_there_is_one() {
        let mut pairs = pairs();
        pairs[2].target = "x".repeat(100_000);
        let refuse = |tokenizer, overlong| {
            let settings = Settings { tokenizer, overlong, ..settings(overlong) };
            refuse_overlong(&settings, &pairs[2..], Path::new("my.tsv"))
        };
        let pieces = TokenizerKind::Bpe { vocab_size: 4000 };
        let text = refuse(pieces, Overlong::Refuse).unwrap_err().to_string();
        assert!(text.starts_with("my.tsv:1: the target has at least 392 tokens, but"), "{text}");
        let text = refuse(TokenizerKind::Characters, Overlong::Refuse).unwrap_err().to_string();
        assert!(text.starts_with("my.tsv:1: the target has 100001 tokens, but"), "{text}");
        refuse(TokenizerKind::Words { vocab_size: 9 }, Overlong::Refuse).unwrap();
        refuse(pieces, Overlong::Drop).unwrap();
    }

    #[test]
    fn it_is_cut_where_that_is_asked_for() {
        let settings = settings(Overlong::Truncate);
        let vocabulary = Vocabulary::train(&settings, &pairs(), &StopSignal::new()).unwrap();
        let tokens = vocabulary.encode(&pairs(), &settings, Path::new("my.tsv")).unwrap();
        let lengths: Vec<usize> = tokens.iter().map(|pair| pair.source.len()).collect();
        assert_eq!(lengths, [2, 5, 1]);
    }

    #[test]
    fn one_table_of_embeddings_has_one_vocabulary() {
        let mut settings = settings(Overlong::Refuse);
        settings.model.tying = Tying::All;
        let vocabulary = Vocabulary::train(&settings, &pairs(), &StopSignal::new()).unwrap();
        let Vocabulary { source, target } = vocabulary;
        assert_eq!(source.encode("abcd").unwrap(), target.encode("abcd").unwrap());
    }
}
