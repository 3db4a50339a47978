//! What all configurations share: their version, and what can be wrong with them.
//!
//! A configuration is a plain struct with public fields. Its JSON form has a `version`, refuses
//! unknown keys, and takes the default for a key that is missing, so that a file written before the
//! key existed still loads.

use crate::BlockConfig;
use attn_core::config as file;
use attn_core::mechanism::{AttentionConfig, MechanismConfig, MechanismError};

pub use file::ValueError;
pub(crate) use file::{
    check_nonzero, check_positive, check_probability, check_version, first_version, load, save,
};

/// Version of the JSON form that this build writes; it reads this and all earlier ones.
pub const VERSION: u32 = 1;

/// Why a configuration could not be read from a file or written to one.
pub type ConfigFileError = file::ConfigFileError<ConfigError>;

/// Why a configuration describes no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that its key may not have.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The model width does not split over the heads, and no head width was given.
    #[error("d_model = {d_model} does not split into heads = {heads} equal parts")]
    UnevenHeads {
        /// Width of the model.
        d_model: usize,
        /// Number of query heads.
        heads: usize,
    },
    /// Query heads do not split into groups, one for each key/value head.
    #[error("heads = {heads} is not a multiple of kv_heads = {kv_heads}")]
    UnevenGroups {
        /// Number of query heads.
        heads: usize,
        /// Number of key/value heads.
        kv_heads: usize,
    },
    /// Rotary positions turn pairs of features, so the head width must be even.
    #[error("rotary positions need an even head width, got d_head = {d_head}")]
    OddRotary {
        /// Width of a head.
        d_head: usize,
    },
    /// Sinusoidal positions are pairs of sine and cosine, so the model width must be even.
    #[error("sinusoidal positions need an even width, got d_model = {d_model}")]
    OddSinusoidal {
        /// Width of the model.
        d_model: usize,
    },
    /// A mechanism that is invalid or does not fit the heads.
    #[error("{key}: {source}")]
    Mechanism {
        /// `mechanism` or `cross_mechanism`.
        key: &'static str,
        /// Why.
        source: MechanismError,
    },
    /// A mechanism that a decoder cannot use.
    #[error("the mechanism needs all keys at once, a decoder has a causal mask and a cache")]
    Decoder,
    /// A mechanism that cross-attention cannot use.
    #[error(
        "the cross_mechanism needs queries that have a position among the keys, which steps of a \
         target have not among those of a source"
    )]
    Cross,
    /// A mechanism of cross-attention for a model that has none.
    #[error("cross_mechanism is given, but nothing in this model attends across")]
    NoCross,
    /// A key of scores or weights beside a mechanism that has none.
    #[error("{key} is given, but the mechanism is not \"attention\", which alone can take it")]
    NotOfMechanism {
        /// The key in question.
        key: &'static str,
    },
    /// A key that is given in a mechanism and beside it.
    #[error("{key} is given twice: beside the mechanism, as earlier versions had it, and in it")]
    Twice {
        /// The key in question.
        key: &'static str,
    },
    /// Two numbers in the wrong order.
    #[error("{low_key} = {low} must be below {high_key} = {high}")]
    Disordered {
        /// The key that must have the smaller value.
        low_key: &'static str,
        /// Its value.
        low: f64,
        /// The key that must have the larger value.
        high_key: &'static str,
        /// Its value.
        high: f64,
    },
    /// One table of embeddings for two vocabularies of different size.
    #[error(
        "tying all embeddings needs one vocabulary, got source_vocab = {source_vocab} and \
         target_vocab = {target_vocab}"
    )]
    TiedVocabularies {
        /// Number of source tokens.
        source_vocab: usize,
        /// Number of target tokens.
        target_vocab: usize,
    },
}

/// Refuses a mechanism that a decoder cannot attend to itself with.
pub(crate) fn check_decodes(mechanism: &MechanismConfig) -> Result<(), ConfigError> {
    if mechanism.decodes() { Ok(()) } else { Err(ConfigError::Decoder) }
}

/// Refuses a mechanism that cross-attention cannot use.
pub(crate) fn check_cross_attends(mechanism: &MechanismConfig) -> Result<(), ConfigError> {
    if mechanism.cross_attends() { Ok(()) } else { Err(ConfigError::Cross) }
}

/// Refuses a mechanism of cross-attention for a model without that. A soft-cap and a dropout that
/// stand beside the mechanism in a file are in both mechanisms, so those of self-attention may be here.
pub(crate) fn check_no_cross(block: &BlockConfig) -> Result<(), ConfigError> {
    let plain = AttentionConfig::new();
    let MechanismConfig::Attention(cross) = &block.cross_mechanism else {
        return Err(ConfigError::NoCross);
    };
    let own = match &block.mechanism {
        MechanismConfig::Attention(own) => own,
        _ => &plain,
    };
    let beside =
        AttentionConfig { softcap: cross.softcap, dropout: cross.dropout, ..plain.clone() };
    let alike = [plain.softcap, own.softcap].contains(&cross.softcap)
        && [plain.dropout, own.dropout].contains(&cross.dropout);
    if *cross == beside && alike { Ok(()) } else { Err(ConfigError::NoCross) }
}
