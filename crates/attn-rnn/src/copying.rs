//! Words of the source, copied into the target.

use crate::config::ConfigError;
use crate::flow::Widths;
use crate::pointer::{PointerGenerator, PointerGeneratorConfig, SourceWords};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of [`Copying`]. Its widths are those of the decoder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopyConfig {
    /// The token that the decoder reads in place of a copied word that its vocabulary lacks; `None`:
    /// only words of the vocabulary are copied.
    pub unknown: Option<u32>,
}

impl CopyConfig {
    /// Words of the vocabulary are copied.
    pub fn new() -> Self {
        Self::default()
    }

    /// Words that the vocabulary lacks are copied as well, and read as the token `unknown`.
    pub fn with_unknown(self, unknown: u32) -> Self {
        Self { unknown: Some(unknown) }
    }

    pub(crate) fn validate(&self, vocab: usize) -> Result<(), ConfigError> {
        match self.unknown {
            Some(token) if token as usize >= vocab => Err(ConfigError::Unknown { token, vocab }),
            _ => Ok(()),
        }
    }

    pub(crate) fn init(&self, widths: Widths, device: &Device) -> Copying {
        let Widths { embedding, hidden, annotation } = widths;
        let pointer = PointerGeneratorConfig::new(annotation, hidden, embedding).init(device);
        Copying { pointer, unknown: self.unknown }
    }
}

/// The pointer-generator of See et al. (2017), section 2.2: at each step a gate
/// `p_gen = σ(w_h · c + w_s · s + w_x · x + b)` of context, state and embedding decides between a word
/// of the vocabulary and one of the source, taken with the weight that attention gives it.
///
/// The words of the source are ids of the target's vocabulary, extended by those that it lacks: see
/// [`Seq2Seq::memory`](crate::Seq2Seq::memory) and
/// [`Seq2Seq::memory_to_copy`](crate::Seq2Seq::memory_to_copy).
#[derive(Module, Debug)]
pub struct Copying {
    /// The gate.
    pub pointer: PointerGenerator,
    #[module(skip)]
    unknown: Option<u32>,
}

impl Copying {
    /// The token that is read in place of a word that the vocabulary lacks.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The tokens with `unknown` in place of those beyond the vocabulary, which have no embedding.
    pub(crate) fn embeddable(&self, tokens: Tensor<2, Int>, vocab: usize) -> Tensor<2, Int> {
        match self.unknown {
            None => tokens,
            Some(unknown) => {
                let beyond = tokens.clone().greater_equal_elem(vocab as i64);
                tokens.mask_fill(beyond, i64::from(unknown))
            }
        }
    }

    /// # Panics
    /// If these are not the words of a source of those sizes that a vocabulary of that size can copy.
    pub(crate) fn check(&self, words: &SourceWords, source: [usize; 2], vocab: usize) {
        assert_eq!(words.dims(), source, "words to copy, and the source");
        let extended = words.extended();
        assert!(extended >= vocab, "an extended vocabulary of {extended} for one of {vocab}");
        assert!(
            extended == vocab || self.unknown.is_some(),
            "an extended vocabulary of {extended} for one of {vocab} needs copy.unknown, the token \
             that is read in their place"
        );
    }
}
