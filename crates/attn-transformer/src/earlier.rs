//! Configurations as files have them, those of earlier versions among them.
//!
//! These had a soft-cap and the dropout of attention weights beside the mechanism, which has both now,
//! and `null` for scaled dot-product attention.

use crate::attention::MultiHeadAttentionConfig;
use crate::block::{BlockConfig, default_dropout};
use crate::config::ConfigError;
use crate::norm::default_epsilon;
use crate::{Activation, NormKind, NormOrder};
use attn_core::mechanism::MechanismConfig;
use serde::Deserialize;

fn yes() -> bool {
    true
}

/// A [`MultiHeadAttentionConfig`] in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "MultiHeadAttentionConfig")]
pub(crate) struct AttentionFile {
    d_model: usize,
    heads: usize,
    kv_heads: Option<usize>,
    d_head: Option<usize>,
    d_memory: Option<usize>,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    query_key_norm: bool,
    mechanism: Option<MechanismConfig>,
    softcap: Option<f64>,
    #[serde(default)]
    dropout: f64,
}

impl TryFrom<AttentionFile> for MultiHeadAttentionConfig {
    type Error = ConfigError;

    fn try_from(file: AttentionFile) -> Result<Self, ConfigError> {
        let AttentionFile { d_model, heads, kv_heads, d_head, d_memory, bias, .. } = file;
        let AttentionFile { query_key_norm, softcap, dropout, .. } = file;
        let mut mechanism = file.mechanism.unwrap_or_default();
        take_in(&mut mechanism, ("softcap", softcap), ("dropout", dropout))?;
        Ok(Self { d_model, heads, kv_heads, d_head, d_memory, bias, query_key_norm, mechanism })
    }
}

/// A [`BlockConfig`] in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "BlockConfig")]
pub(crate) struct BlockFile {
    d_model: usize,
    heads: usize,
    kv_heads: Option<usize>,
    d_head: Option<usize>,
    d_ff: Option<usize>,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    norm: NormKind,
    #[serde(default = "default_epsilon")]
    norm_epsilon: f64,
    #[serde(default)]
    norm_order: NormOrder,
    #[serde(default)]
    query_key_norm: bool,
    #[serde(default = "default_dropout")]
    dropout: f64,
    #[serde(default)]
    feed_forward_dropout: f64,
    mechanism: Option<MechanismConfig>,
    #[serde(default)]
    cross_mechanism: MechanismConfig,
    softcap: Option<f64>,
    #[serde(default)]
    attention_dropout: f64,
}

impl TryFrom<BlockFile> for BlockConfig {
    type Error = ConfigError;

    fn try_from(file: BlockFile) -> Result<Self, ConfigError> {
        let BlockFile { softcap, attention_dropout, mut cross_mechanism, .. } = file;
        let mut mechanism = file.mechanism.unwrap_or_default();
        for mechanism in [&mut mechanism, &mut cross_mechanism] {
            let dropout = ("attention_dropout", attention_dropout);
            take_in(mechanism, ("softcap", softcap), dropout)?;
        }
        Ok(Self {
            d_model: file.d_model,
            heads: file.heads,
            kv_heads: file.kv_heads,
            d_head: file.d_head,
            d_ff: file.d_ff,
            activation: file.activation,
            bias: file.bias,
            norm: file.norm,
            norm_epsilon: file.norm_epsilon,
            norm_order: file.norm_order,
            query_key_norm: file.query_key_norm,
            dropout: file.dropout,
            feed_forward_dropout: file.feed_forward_dropout,
            mechanism,
            cross_mechanism,
        })
    }
}

/// Makes what stands beside a mechanism a part of it. A dropout of 0 is none.
fn take_in(
    mechanism: &mut MechanismConfig,
    (softcap_key, softcap): (&'static str, Option<f64>),
    (dropout_key, dropout): (&'static str, f64),
) -> Result<(), ConfigError> {
    let drops = dropout != 0.0;
    let first = softcap.map(|_| softcap_key).or(drops.then_some(dropout_key));
    let Some(key) = first else { return Ok(()) };
    let MechanismConfig::Attention(config) = mechanism else {
        return Err(ConfigError::NotOfMechanism { key });
    };
    if softcap.is_some() && config.softcap.is_some() {
        return Err(ConfigError::Twice { key: softcap_key });
    }
    if drops && config.dropout != 0.0 {
        return Err(ConfigError::Twice { key: dropout_key });
    }
    config.softcap = config.softcap.or(softcap);
    if drops {
        config.dropout = dropout;
    }
    Ok(())
}
